"""What the floor publishes are valid records of Okno's contracts: comparable in content and size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from bench.floor import ingest, ticketing
from bench.floor.router import Batch, columns
from bench.webhooks import Post, body, posts
from contracts.chat_events_v1 import MessagePosted
from contracts.codec import encode
from contracts.ticket_commands_v1 import PlaceMessage
from contracts.ticket_events_v1 import TicketChanged
from services.ingest.slack.parse import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Post("C1", "1716308800.000100", None, "U1", "where is lesson 4?")
REPLY = Post("C1", "1716308900.000200", "1716308800.000100", "U2", "I can't find it either")


@dataclass
class Record:
    partition: int = 3
    offset: int = 41


def floor_event(post: Post) -> bytes:
    return ingest.normalized(orjson.loads(body(post)), NOW.isoformat())[2]


def commands() -> list[bytes]:
    batch = Batch()
    places: dict[str, tuple[str, str]] = {}
    for post in (ROOT, REPLY):
        batch.decide(Record(), orjson.loads(floor_event(post)), places)
    assert len(batch.opened) == 1
    return [value for _, value, _ in batch.commands]


def test_the_event_says_what_oknos_says() -> None:
    for post in posts(100, start_us=1_716_308_800_000_000, seed=1, apart=10):
        (event,) = parse(orjson.loads(body(post)), NOW).records
        assert MessagePosted.model_validate_json(floor_event(post)) == event
        okno = encode(event, source="okno/ingest-slack", time=NOW)
        assert abs(len(okno.value) - len(floor_event(post))) < 40


def test_commands_are_valid_and_the_reply_goes_to_the_roots_ticket() -> None:
    opened, appended = map(PlaceMessage.model_validate_json, commands())
    assert opened.open is not None
    assert appended.ticket_id == opened.open.ticket_id
    assert appended.place.key == opened.place.key == "slack:C1/1716308800.000100"


def test_ticket_events_are_valid_and_count_versions() -> None:
    batch = ticketing.Batch(NOW, {}, [42])
    for command in commands():
        batch.apply({"message": {"thread": None}, **orjson.loads(command)})
    events = [TicketChanged.model_validate_json(value) for _, _, value in batch.events]
    assert [event.version for event in events] == [1, 2]
    assert {event.ticket.number for event in events} == {42}
    assert [len(batch.opened), len(batch.changed), len(batch.messages)] == [1, 0, 2]


def test_columns_turn_rows() -> None:
    assert columns([(1, "a"), (2, "b")], 2) == [[1, 2], ["a", "b"]]
    assert columns([], 3) == [[], [], []]
