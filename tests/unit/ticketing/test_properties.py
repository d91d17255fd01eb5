"""Whatever arrives, in whatever order: versions without gaps, one active ticket a place, each message in one ticket."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import ids
from contracts.chat import Author, Channel, ChannelType, Decided, Place
from contracts.codec import decode, encode
from contracts.keys import Platform, message_key, place_key, slack_channel, slack_person
from contracts.ticket_commands_v1 import (
    ChatMessage,
    CloseTicket,
    OpenTicket,
    PlaceMessage,
    RecordReaction,
    RemoveMessage,
    ReviseMessage,
    Role,
    TicketCommand,
)
from contracts.ticket_events_v1 import ChangeKind, Status, TicketChanged
from services.ticketing.domain.apply import apply_command
from services.ticketing.domain.book import Book
from services.ticketing.domain.folding import message_of, ticket_of
from services.ticketing.domain.ticket import AuthorKind

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
CHANNEL = Channel(key=slack_channel("C1"), platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC)
AUTHORS = [Author(key=slack_person(f"U{n}"), name=f"name {n}") for n in range(3)]


@st.composite
def commands(draw: st.DrawFn) -> TicketCommand:
    """About a few messages in a few places, so that they meet."""
    number = draw(st.integers(0, 11))
    key = message_key(CHANNEL.key, f"{1000 + number}.000000")
    thread = f"{number % 3}.1"
    place = Place(key=place_key(CHANNEL.key, thread), channel=CHANNEL, thread=thread)
    at = START + timedelta(seconds=draw(st.integers(0, 300)))
    nonce = draw(st.integers(0, 10**6))
    common: dict[str, Any] = {
        "command_id": f"{nonce}",
        "event_id": f"{nonce}",
        "decided": Decided(partition=0, offset=0, rule="any", policy_version=0),
        "received_at": at,
        "channel_key": CHANNEL.key,
    }
    author = draw(st.sampled_from(AUTHORS))
    match draw(st.sampled_from(["place", "place", "place", "revise", "remove", "react", "close"])):
        case "place":
            role = draw(st.sampled_from([Role.CUSTOMER, Role.CUSTOMER, Role.DESK, Role.BOT]))
            opens = OpenTicket(
                ticket_id=ids.ticket(place.key, key),
                conversation_id=ids.conversation(place.key, key),
                reopen_within=draw(st.sampled_from([0.0, 60.0, 1e6])),
                queue="support",
                priority="normal",
            )
            message = ChatMessage(
                message_key=key,
                author=author,
                role=role,
                text=draw(st.text(max_size=5)),
                sent_at=at,
                context=draw(st.integers(0, 9)) == 0,
            )
            opening = opens if role is Role.CUSTOMER else None
            return PlaceMessage(**common, message=message, place=place, open=opening)
        case "revise":
            return ReviseMessage(**common, message_key=key, text=draw(st.text(max_size=2)), edited_at=at)
        case "remove":
            return RemoveMessage(**common, message_key=key, deleted_at=at)
        case "react":
            name = draw(st.sampled_from(["eyes", "ok"]))
            role = draw(st.sampled_from([None, *Role]))
            agent_id = "agt_1" if role is Role.DESK else None
            return RecordReaction(
                **common,
                message_key=key,
                person=author,
                name=name,
                added=draw(st.booleans()),
                at=at,
                role=role,
                agent_id=agent_id,
            )
        case _:
            return CloseTicket(**common, place_key=place.key, by=author, role=Role.CUSTOMER, at=at)


@settings(max_examples=150, deadline=None)
@given(st.lists(commands(), max_size=40))
def test_invariants_hold_after_every_command(arriving: list[TicketCommand]) -> None:
    book = Book(numbers=list(range(1, 100)))
    for count, command in enumerate(arriving):
        apply_command(book, command, START + timedelta(seconds=count), None)
        before = len(book.changes)
        assert apply_command(book, command, START, None)[0] == "repeated"
        assert len(book.changes) == before
        _check(book)


def _check(book: Book) -> None:
    versions = Counter(change.event.ticket_id for change in book.changes)
    latest: dict[str, int] = {}
    for change in book.changes:
        assert change.event.version == latest.get(change.event.ticket_id, 0) + 1
        latest[change.event.ticket_id] = change.event.version
    active = Counter(one.state.place_key for one in book.tickets.values() if one.is_active)
    assert all(number == 1 for number in active.values())
    for ticket in book.tickets.values():
        state = ticket.state
        assert state.version == versions[ticket.id]
        asked = [
            one
            for one in book.messages.values()
            if one.ticket_id == ticket.id and one.author_kind is AuthorKind.CUSTOMER and not one.context
        ]
        assert ticket.customer_messages == sum(1 for one in asked if one.deleted_at is None)
        assert (state.ended_at is None) == state.status.is_active
        if state.status is Status.COMMENT_DELETED:
            assert any(one.deleted_at is not None for one in asked)


@settings(max_examples=50, deadline=None)
@given(st.lists(commands(), min_size=5, max_size=25))
def test_every_event_survives_its_encoding(arriving: list[TicketCommand]) -> None:
    book = Book(numbers=list(range(1, 100)))
    for command in arriving:
        apply_command(book, command, START, None)
    for change in book.changes:
        encoded = encode(change.event, source="test", time=START)
        again = decode(encoded.topic, encoded.headers, encoded.value).data
        assert again == change.event
        assert change.event.kind in ChangeKind


@settings(max_examples=50, deadline=None)
@given(st.lists(commands(), min_size=5, max_size=25))
def test_every_event_carries_all_that_is_stored_of_its_ticket_and_message(arriving: list[TicketCommand]) -> None:
    book = Book(numbers=list(range(1, 100)))
    for command in arriving:
        apply_command(book, command, START, None)
    for change in book.changes:
        encoded = encode(change.event, source="test", time=START)
        event = decode(encoded.topic, encoded.headers, encoded.value).data
        assert isinstance(event, TicketChanged)
        assert ticket_of(event, None) == change.ticket
        folded, stored = message_of(event, None), change.message
        if folded is None or stored is None:
            assert folded is stored is None
            continue
        assert replace(folded, reactions=()) == replace(stored, reactions=())
        assert set(folded.reactions) == set(stored.reactions)
