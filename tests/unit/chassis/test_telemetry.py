"""A journey is recorded whole or not at all, and each message keeps its own through batches and waits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from chassis import telemetry
from chassis.tracecontext import current_traceparent, parse
from tests.spans import recorded

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"
UNSAMPLED = f"00-{TRACE}-00f067aa0ba902b7-00"


@pytest.fixture
async def exporter() -> AsyncIterator[InMemorySpanExporter]:
    async with recorded(ratio=1.0) as memory:
        yield memory


def only(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    [span] = [span for span in exporter.get_finished_spans() if span.name == name]
    return span


def trace_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def span_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def parent_id(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def link_ids(span: ReadableSpan) -> list[str]:
    return [f"{link.context.span_id:016x}" for link in span.links]


def test_a_sampled_context_continues_in_a_child(exporter: InMemorySpanExporter) -> None:
    attributes = {telemetry.TICKET_ID: "t1", telemetry.EVENT_ID: None}
    with telemetry.start_span("decide", traceparent=SAMPLED, kind="consumer", attributes=attributes) as span:
        span.set(telemetry.RULE, "open")
    recorded = only(exporter, "decide")
    assert trace_id(recorded) == TRACE == span.trace_id
    assert parent_id(recorded) == "00f067aa0ba902b7"
    assert recorded.kind is SpanKind.CONSUMER
    assert dict(recorded.attributes or {}) == {"okno.ticket.id": "t1", "okno.rule": "open"}
    handed_on = parse(span.traceparent)
    assert handed_on is not None
    assert handed_on.sampled
    assert handed_on.span_id == span_id(recorded)


def test_an_unsampled_context_is_handed_on_unchanged_and_nothing_is_created(exporter: InMemorySpanExporter) -> None:
    with telemetry.start_span("decide", traceparent=UNSAMPLED, tracestate="a=b") as span:
        span.set(telemetry.RULE, "open")
        with telemetry.start_span("inside") as inside:
            assert inside.traceparent == UNSAMPLED
    with telemetry.start_message_span("message", UNSAMPLED) as message:
        pass
    assert telemetry.record_span("wait", traceparent=UNSAMPLED, start=1.0, end=2.0) == UNSAMPLED
    assert (span.traceparent, span.tracestate, message.traceparent) == (UNSAMPLED, "a=b", UNSAMPLED)
    assert not span.recording
    assert exporter.get_finished_spans() == ()


async def test_a_root_is_recorded_by_the_ratio(exporter: InMemorySpanExporter) -> None:
    with telemetry.start_span("recorded", kind="server"):
        pass
    assert parent_id(only(exporter, "recorded")) is None
    await telemetry.shutdown()
    telemetry.install(SimpleSpanProcessor(exporter), ratio=0.0)
    with telemetry.start_span("not recorded") as root:
        context = parse(root.traceparent)
    assert context is not None
    assert not context.sampled
    assert {span.name for span in exporter.get_finished_spans()} <= {"recorded"}


def test_an_invalid_context_starts_a_new_journey(exporter: InMemorySpanExporter) -> None:
    with telemetry.start_span("root", traceparent="garbage"):
        pass
    assert parent_id(only(exporter, "root")) is None


def test_a_span_inside_a_span_is_its_child_and_the_context_ends_with_it(exporter: InMemorySpanExporter) -> None:
    with telemetry.start_span("outer") as outer:
        assert current_traceparent.get() == outer.traceparent
        with telemetry.start_span("inner", kind="client"):
            pass
    assert current_traceparent.get() is None
    assert parent_id(only(exporter, "inner")) == span_id(only(exporter, "outer"))


def test_a_message_in_a_batch_keeps_its_own_trace_and_links_to_the_batch(exporter: InMemorySpanExporter) -> None:
    other = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    with telemetry.start_batch_span("router batch", [SAMPLED, UNSAMPLED, None, other]) as batch:
        with telemetry.start_message_span("decide", SAMPLED, batch=batch):
            pass
        with telemetry.start_message_span("unknown origin", None, batch=batch):
            pass
    recorded_batch, message = only(exporter, "router batch"), only(exporter, "decide")
    assert trace_id(recorded_batch) not in {TRACE, "a" * 32}
    assert link_ids(recorded_batch) == ["00f067aa0ba902b7", "b" * 16]
    assert trace_id(message) == TRACE
    assert parent_id(message) == "00f067aa0ba902b7"
    assert link_ids(message) == [span_id(recorded_batch)]
    stranger = only(exporter, "unknown origin")
    assert parent_id(stranger) is None
    assert trace_id(stranger) != trace_id(recorded_batch)


def test_a_batch_without_sampled_messages_is_not_recorded(exporter: InMemorySpanExporter) -> None:
    with telemetry.start_batch_span("batch", [UNSAMPLED, None]) as batch:
        assert not batch.recording
    assert exporter.get_finished_spans() == ()


def test_a_batch_links_to_a_bounded_number_of_messages(exporter: InMemorySpanExporter) -> None:
    many = [f"00-{TRACE}-{number:016x}-01" for number in range(1, 200)]
    telemetry.start_batch_span("batch", many).end()
    assert len(only(exporter, "batch").links) == telemetry.MAX_LINKS


def test_a_wait_is_recorded_afterwards_with_its_own_times(exporter: InMemorySpanExporter) -> None:
    created = datetime(2026, 11, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    handed_on = telemetry.record_span(
        "outbox wait", traceparent=SAMPLED, start=created, end=created.timestamp() + 1.5, kind="producer"
    )
    recorded = only(exporter, "outbox wait")
    assert recorded.start_time == 1_793_534_400_250_000_000
    assert recorded.end_time == 1_793_534_401_750_000_000
    assert parent_id(recorded) == "00f067aa0ba902b7"
    assert handed_on == f"00-{TRACE}-{span_id(recorded)}-01"


@pytest.mark.parametrize("traceparent", [None, "garbage"])
def test_a_wait_without_a_context_records_nothing(exporter: InMemorySpanExporter, traceparent: str | None) -> None:
    handed_on = parse(telemetry.record_span("wait", traceparent=traceparent, start=1.0))
    assert handed_on is not None
    assert not handed_on.sampled
    assert exporter.get_finished_spans() == ()


def test_a_failure_tells_its_type_and_not_its_text(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), telemetry.start_span("failing"):
        raise ValueError("secret message text")
    recorded = only(exporter, "failing")
    assert recorded.status.status_code is StatusCode.ERROR
    assert "secret" not in recorded.to_json()
    assert (recorded.attributes or {})["error.type"] == "ValueError"


def test_a_cancelled_span_ends_without_being_an_error(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(asyncio.CancelledError), telemetry.start_span("cancelled"):
        raise asyncio.CancelledError
    assert only(exporter, "cancelled").status.status_code is StatusCode.UNSET


def test_links_lead_to_sampled_journeys_only(exporter: InMemorySpanExporter) -> None:
    with telemetry.start_span("reply", links=[SAMPLED, UNSAMPLED, None, "garbage"]) as span:
        span.link(SAMPLED)
        span.link(UNSAMPLED)
    assert link_ids(only(exporter, "reply")) == ["00f067aa0ba902b7"] * 2


def test_tasks_have_contexts_of_their_own(exporter: InMemorySpanExporter) -> None:
    async def work(name: str, gate: asyncio.Barrier) -> None:
        with telemetry.start_span(name):
            await gate.wait()
            with telemetry.start_span(f"{name} inside"):
                await gate.wait()

    async def both() -> None:
        gate = asyncio.Barrier(2)
        await asyncio.gather(work("one", gate), work("two", gate))

    asyncio.run(both())
    for name in ("one", "two"):
        assert parent_id(only(exporter, f"{name} inside")) == span_id(only(exporter, name))


async def test_the_end_is_bounded_when_the_collector_hangs(exporter: InMemorySpanExporter) -> None:
    import threading

    hung = threading.Event()

    class Hanging(SimpleSpanProcessor):
        def shutdown(self) -> None:
            hung.wait(30)

    telemetry.install(Hanging(exporter), ratio=1.0)
    try:
        assert await telemetry.shutdown(seconds=0.01) is False
        with telemetry.start_span("afterwards") as span:
            assert not span.recording
    finally:
        hung.set()


def test_without_a_collector_the_sdk_is_not_even_imported() -> None:
    script = """
import sys
from chassis import telemetry
from chassis.settings import ProcessSettings, read
telemetry.configure(read(ProcessSettings, {}), kind="router", name="router-0")
with telemetry.start_span("root") as root:
    with telemetry.start_span("child", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01") as child:
        pass
assert root.traceparent.endswith("-00"), root.traceparent
assert child.traceparent.endswith("-01"), child.traceparent
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
