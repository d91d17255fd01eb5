"""Each message keeps its own trace through a batch."""

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import telemetry
from chassis.outbox import OutboxRow
from chassis.records import Record
from contracts.chat_events_v1 import ChatEvent
from contracts.codec import decode, encode
from services.router.policy import BUILT_IN
from services.router.view.aliases import Aliases
from services.router.view.overlay import Overlay
from services.router.worker import Batch
from tests.spans import recorded
from tests.unit.router.makers import ALICE, BOB, NOW, edit, post

TRACES = ("4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c")
PARENT = "00f067aa0ba902b7"


@pytest.fixture
async def exporter() -> AsyncIterator[InMemorySpanExporter]:
    async with recorded(ratio=1.0) as memory:
        yield memory


def record(event: ChatEvent, traceparent: str, offset: int) -> Record:
    encoded = encode(event, source="test", time=NOW, traceparent=traceparent)
    envelope = decode(encoded.topic, encoded.headers, encoded.value)
    return Record(encoded.topic, 0, offset, 0, encoded.key, encoded.value, encoded.headers, envelope)


def decided(events: list[tuple[ChatEvent, str]]) -> list[OutboxRow]:
    batch = Batch(Overlay({}, Aliases()), BUILT_IN, publish=True)
    records = [record(event, traceparent, offset) for offset, (event, traceparent) in enumerate(events)]
    batch.decide_all([(one, event) for one, (event, _) in zip(records, events, strict=True)])
    return batch.rows


def trace_of(row: OutboxRow) -> str:
    value = dict(row.headers)["traceparent"]
    assert value is not None
    return value.decode()


async def test_a_span_for_each_sampled_message_under_its_own_context(exporter: InMemorySpanExporter) -> None:
    first, second = (f"00-{trace}-{PARENT}-01" for trace in TRACES)
    rows = decided([(post(ALICE, 0), first), (post(BOB, 600), second)])
    batch, *_ = (span for span in exporter.get_finished_spans() if span.name == "router.decide_batch")
    spans = [span for span in exporter.get_finished_spans() if span.name == "decide"]
    assert batch.context is not None
    for span, trace, row in zip(spans, TRACES, rows, strict=True):
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == trace
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == PARENT
        assert [link.context.span_id for link in span.links] == [batch.context.span_id]
        assert trace_of(row) == f"00-{trace}-{span.context.span_id:016x}-01"
        assert span.attributes is not None
        assert span.attributes[telemetry.RULE] == "open"


async def test_an_unsampled_message_hands_its_context_on(exporter: InMemorySpanExporter) -> None:
    unsampled = f"00-{TRACES[0]}-{PARENT}-00"
    (row,) = decided([(post(ALICE, 0), unsampled)])
    assert trace_of(row) == unsampled
    assert exporter.get_finished_spans() == ()


async def test_a_change_that_came_early_keeps_its_own_trace(exporter: InMemorySpanExporter) -> None:
    question = post(ALICE, 0)
    early, late = (f"00-{trace}-{PARENT}-00" for trace in TRACES)
    placed, revised = decided([(edit(question, 5, "second"), early), (question, late)])
    assert (trace_of(placed), trace_of(revised)) == (late, early)
