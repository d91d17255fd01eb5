"""A delivery belongs to the journey of its reply: the wait, the call and the receipts carry its trace."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import telemetry
from tests.integration.notifier.conftest import Desk, eventually
from tests.spans import recorded

TRACE = "0af7651916cd43dd8448eb211c80319c"

SPANS = {"notifier.wait", "notifier.post", "slack chat.postMessage"}


@pytest.fixture
async def spans() -> AsyncIterator[InMemorySpanExporter]:
    async with recorded(ratio=0.0) as exporter:
        yield exporter


async def test_the_platform_call_is_a_span_of_the_reply_s_trace(desk: Desk, spans: InMemorySpanExporter) -> None:
    post = desk.post(desk.slack_channel(), "secret text")
    async with desk.dispatching():
        await desk.give(post, traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
        await desk.reaches(post, "post sent")
        await eventually(lambda: {span.name for span in spans.get_finished_spans()} >= SPANS)
    found: dict[str, ReadableSpan] = {span.name: span for span in spans.get_finished_spans()}
    assert found.keys() - SPANS <= {"outbox wait"}  # the relay's, of the receipts
    for span in found.values():
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == TRACE
        assert "secret" not in str(span.attributes)
    delivery, call = found["notifier.post"], found["slack chat.postMessage"]
    assert delivery.context is not None
    assert call.parent is not None
    assert call.parent.span_id == delivery.context.span_id
    assert delivery.start_time == found["notifier.wait"].end_time
    assert delivery.attributes is not None
    assert delivery.attributes[telemetry.TICKET_ID] == "tkt_1"
    assert delivery.attributes[telemetry.CONVERSATION_ID] == post.conversation_id
    assert "okno.delivery.rate_limit_wait_seconds" in delivery.attributes
