"""The collector of a campaign: each span that a process sends becomes a line, whole, to be searched at the end."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sandbox.stack.ports import free_port

HOST = "127.0.0.1"
MAX_BODY = 64 * 1024 * 1024
RATIO = "0.1"
"""Of the journeys of a campaign so many are recorded: every kind of span, at little cost."""


class Spans:
    """Listens between `start` and `close`; nothing is forgotten."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._port = free_port()
        self._file = path.open("wb")
        self._runner: web.AppRunner | None = None

    @property
    def env(self) -> dict[str, str]:
        """What makes a process send its spans here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{self._port}", "TRACE_SAMPLE_RATIO": RATIO}

    async def start(self) -> None:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/v1/traces", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._file.close()

    async def _receive(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            about = MessageToJson(resource.resource, indent=None)
            for scope in resource.scope_spans:
                lines = (f"{about} {MessageToJson(span, indent=None)}\n" for span in scope.spans)
                self._file.write("".join(lines).encode())
        self._file.flush()
        return web.Response(body=b"", content_type="application/x-protobuf")
