"""Spans leave as OTLP over HTTP, named after the process, before it ends."""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from chassis import telemetry
from chassis.http import HttpServer
from chassis.settings import ProcessSettings, read


class Collector:
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        self.received.append((scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def test_spans_reach_the_collector_before_the_process_ends() -> None:
    collector = Collector()
    server = HttpServer(collector, host="127.0.0.1", port=0)
    running = asyncio.create_task(server.run())
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "TRACE_SAMPLE_RATIO": "1"}
    telemetry.configure(read(ProcessSettings, environ), kind="router", name="router-0")
    with telemetry.start_span("decide", attributes={telemetry.TICKET_ID: "t1"}) as span:
        pass
    assert await telemetry.shutdown(30)
    server.stop()
    await running
    [(path, body)] = collector.received
    assert path == "/v1/traces"
    [resource_spans] = ExportTraceServiceRequest.FromString(body).resource_spans
    resource = {one.key: one.value.string_value for one in resource_spans.resource.attributes}
    assert (resource["service.namespace"], resource["service.name"]) == ("okno", "router")
    assert resource["service.instance.id"] == "router-0"
    [sent] = resource_spans.scope_spans[0].spans
    assert (sent.name, sent.trace_id.hex()) == ("decide", span.trace_id)
    assert [(one.key, one.value.string_value) for one in sent.attributes] == [("okno.ticket.id", "t1")]
