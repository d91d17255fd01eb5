"""Spans leave as OTLP over HTTP, named after the process, before it ends; a collector that never answers holds up
nothing and takes no memory without end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from chassis import metrics, telemetry
from chassis.http import HttpServer
from chassis.settings import ProcessSettings, read


class Collector:
    """Keeps what is posted to it, and answers as soon as it may."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        self.received.append((scope["path"], body))
        self.asked.set()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def configured(collector: Collector) -> AsyncIterator[None]:
    """Every journey is recorded and sent to the collector."""
    server = HttpServer(collector, host="127.0.0.1", port=0)
    running = asyncio.create_task(server.run())
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "TRACE_SAMPLE_RATIO": "1"}
    telemetry.configure(read(ProcessSettings, environ), kind="router", name="router-0")
    try:
        yield
    finally:
        collector.may_answer.set()
        await telemetry.shutdown(30)
        server.stop()
        await running


def count(result: str) -> float:
    return metrics.REGISTRY.get_sample_value("okno_spans_total", {"result": result}) or 0


async def test_spans_reach_the_collector_before_the_process_ends() -> None:
    collector = Collector()
    collector.may_answer.set()
    async with configured(collector):
        with telemetry.start_span("decide", attributes={telemetry.TICKET_ID: "t1"}) as span:
            pass
        assert await telemetry.shutdown(30)
    [(path, body)] = collector.received
    assert path == "/v1/traces"
    [resource_spans] = ExportTraceServiceRequest.FromString(body).resource_spans
    resource = {one.key: one.value.string_value for one in resource_spans.resource.attributes}
    assert (resource["service.namespace"], resource["service.name"]) == ("okno", "router")
    assert resource["service.instance.id"] == "router-0"
    [sent] = resource_spans.scope_spans[0].spans
    assert (sent.name, sent.trace_id.hex()) == ("decide", span.trace_id)
    assert [(one.key, one.value.string_value) for one in sent.attributes] == [("okno.ticket.id", "t1")]


async def test_while_a_request_hangs_spans_are_kept_up_to_the_queue_s_room_and_the_end_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, more = 16, 1000
    monkeypatch.setattr(telemetry, "QUEUE_SPANS", room)
    monkeypatch.setattr(telemetry, "EXPORT_SPANS", 1)
    monkeypatch.setattr(telemetry, "EXPORT_TIMEOUT_SECONDS", 600.0)
    collector = Collector()
    dropped, sent, failed = count("dropped"), count("sent"), count("failed")
    async with configured(collector):
        telemetry.start_span("hangs").end()
        await asyncio.wait_for(collector.asked.wait(), 30)
        for _ in range(room + more):
            telemetry.start_span("waits").end()
        assert count("dropped") == dropped + more
        assert not await telemetry.shutdown(0.01)
        assert not telemetry.recording()
        assert (len(collector.received), count("sent"), count("failed")) == (1, sent, failed)
