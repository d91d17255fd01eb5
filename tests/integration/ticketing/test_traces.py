"""Each message keeps its own journey through a batch, and a reply's points to its question."""

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.integration.ticketing.desk import Desk, later, place_message, record_of, telegram_place
from tests.spans import recorded


@pytest.fixture
async def spans() -> AsyncIterator[InMemorySpanExporter]:
    async with recorded(ratio=1.0) as exporter:
        yield exporter


def sampled(digit: str) -> str:
    return f"00-{digit * 32}-{digit * 16}-01"


async def test_a_batch_mixes_no_journeys(desk: Desk, spans: InMemorySpanExporter) -> None:
    places = {digit: telegram_place(int(digit)) for digit in "12"}
    records = [
        record_of(place_message(place, at=later(n)), traceparent=sampled(digit))
        for n, (digit, place) in enumerate(places.items())
    ]
    async with desk.database.transaction() as connection:
        await desk.applier(records, connection)

    applied = [span for span in spans.get_finished_spans() if span.name == "apply PlaceMessage"]
    assert [f"{span.context.trace_id:032x}" for span in applied] == ["1" * 32, "2" * 32]
    for digit, span, event in zip("12", applied, await desk.outbox("ticket.events.v1"), strict=True):
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == digit * 16
        assert span.attributes is not None
        assert span.attributes["okno.ticket.id"] == event.data.ticket_id  # type: ignore[attr-defined]
        assert event.traceparent == f"00-{digit * 32}-{span.context.span_id:016x}-01"
        (link,) = span.links
        assert link.context.trace_id not in {int("1" * 32, 16), int("2" * 32, 16)}
    tickets = await desk.tickets(sort="number")
    assert [ticket["trace_id"] for ticket in tickets] == ["1" * 32, "2" * 32]
    assert [(await desk.messages(ticket["id"]))[0]["trace_id"] for ticket in tickets] == ["1" * 32, "2" * 32]


async def test_a_replys_journey_is_linked_to_the_questions(desk: Desk, spans: InMemorySpanExporter) -> None:
    command = place_message(telegram_place())
    async with desk.database.transaction() as connection:
        await desk.applier([record_of(command, traceparent=sampled("3"))], connection)
    assert command.open is not None
    reply = await desk.reply(command.open.ticket_id)

    (written,) = [span for span in spans.get_finished_spans() if span.name == "write reply"]
    assert written.context.trace_id != int("3" * 32, 16)
    assert written.links[0].context.trace_id == int("3" * 32, 16)
    assert reply["trace_id"] == f"{written.context.trace_id:032x}"
    (post,) = await desk.outbox("chat.replies.v1")
    assert post.traceparent == f"00-{written.context.trace_id:032x}-{written.context.span_id:016x}-01"
