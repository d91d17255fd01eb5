"""The waits of a sampled journey are spans, so that a trace's bars add up; nothing is recorded of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import waits
from chassis.records import Record
from tests.spans import recorded

AT = 1_800_000_000.0
SAMPLED, UNSAMPLED = (f"00-{'1' * 32}-{'2' * 16}-{flags}" for flags in ("01", "00"))


@pytest.fixture
async def spans() -> AsyncIterator[InMemorySpanExporter]:
    async with recorded(ratio=0.0) as exporter:
        yield exporter


def record(traceparent: str | None, at: float = AT, offset: int = 7) -> Record:
    envelope = cast("Any", SimpleNamespace(traceparent=traceparent))
    return Record("chat.events.v1", 3, offset, round(at * 1000), b"k", b"{}", (), envelope)


def bars(spans: InMemorySpanExporter) -> dict[str, tuple[float, float]]:
    """Offset from the record's time, and length, in seconds."""
    return {
        span.name: (
            round((span.start_time or 0) / 1e9 - AT, 3), round(((span.end_time or 0) - (span.start_time or 0)) / 1e9, 3)
        )
        for span in spans.get_finished_spans()
    }  # fmt: skip


async def test_the_log_and_the_batch_stand_end_to_end_under_the_record(spans: InMemorySpanExporter) -> None:
    waits.consumed("router", [record(SAMPLED)], ended=AT + 0.5, took=0.2)
    assert bars(spans) == {"wait in chat.events.v1": (0.0, 0.3), "process chat.events.v1": (0.3, 0.2)}
    for span in spans.get_finished_spans():
        assert span.context is not None
        assert span.parent is not None
        assert f"{span.context.trace_id:032x}" == "1" * 32
        assert f"{span.parent.span_id:016x}" == "2" * 16
        operation = {"messaging.operation.type": "process"} if span.name == "process chat.events.v1" else {}
        assert dict(span.attributes or {}) == operation | {
            "messaging.system": "kafka",
            "messaging.destination.name": "chat.events.v1",
            "messaging.destination.partition.id": "3",
            "messaging.kafka.offset": 7,
            "messaging.consumer.group.name": "router",
        }


async def test_a_producers_clock_that_is_ahead_makes_no_wait_of_negative_length(spans: InMemorySpanExporter) -> None:
    waits.consumed("router", [record(SAMPLED, AT + 9)], ended=AT + 0.5, took=0.2)
    assert bars(spans)["wait in chat.events.v1"] == (0.3, 0.0)


async def test_a_row_waits_from_its_writing_until_kafka_has_it(spans: InMemorySpanExporter) -> None:
    rows = [
        ("ticket.commands.v1", [("ce_id", b"1"), ("traceparent", SAMPLED.encode())], 0.25),
        ("ticket.commands.v1", [("traceparent", UNSAMPLED.encode())], 9.0),
        ("ticket.commands.v1", [], 9.0),
    ]
    waits.published(rows, read_at=AT + 0.25, ended=AT + 0.3)
    assert bars(spans) == {"outbox wait": (0.0, 0.3)}


async def test_unsampled_records_and_tombstones_leave_nothing(spans: InMemorySpanExporter) -> None:
    tombstone = record(None)._replace(envelope=None)
    waits.consumed("router", [record(UNSAMPLED), record(None), tombstone], ended=AT, took=0.1)
    assert bars(spans) == {}
