"""What a message changes in its ticket, in whatever order the platform's messages arrive."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts import ids
from contracts.chat import Author, Channel, ChannelType, Decided, Place
from contracts.keys import Platform, message_key, place_key, slack_channel, slack_person
from contracts.ticket_commands_v1 import ChatMessage, OpenTicket, PlaceMessage, Role
from contracts.ticket_events_v1 import Status, TicketState
from services.ticketing.domain.apply import apply_command
from services.ticketing.domain.book import Book

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
CHANNEL = Channel(key=slack_channel("C1"), platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC)
PLACE = Place(key=place_key(CHANNEL.key, "1.1"), channel=CHANNEL, thread="1.1")
LATE = timedelta(minutes=30)


def said(seconds: int, role: Role = Role.CUSTOMER) -> PlaceMessage:
    """Said so long after the start."""
    key = message_key(CHANNEL.key, f"{1000 + seconds}.00000{int(role is Role.DESK)}")
    return PlaceMessage(
        command_id=key,
        event_id=key,
        decided=Decided(partition=0, offset=0, rule="any", policy_version=0),
        received_at=START + LATE,
        channel_key=CHANNEL.key,
        message=ChatMessage(
            message_key=key,
            author=Author(key=slack_person(role)),
            role=role,
            text="words",
            sent_at=START + timedelta(seconds=seconds),
            agent_id="agt_1" if role is Role.DESK else None,
        ),
        place=PLACE,
        open=OpenTicket(
            ticket_id=ids.ticket(PLACE.key, key),
            conversation_id=ids.conversation(PLACE.key, key),
            reopen_within=60.0,
            queue="support",
            priority="normal",
        )
        if role is Role.CUSTOMER
        else None,
    )


def ticket_after(*arriving: PlaceMessage) -> TicketState:
    book = Book(numbers=[1])
    for command in arriving:
        apply_command(book, command, START, None)
    (ticket,) = book.tickets.values()
    return ticket.state


@pytest.mark.parametrize(
    ("arriving", "status"),
    [
        ([said(0), said(60, Role.DESK), said(90), said(30, Role.DESK)], Status.OPEN),
        ([said(0), said(90), said(60, Role.DESK)], Status.NEW),
        ([said(0), said(60, Role.DESK)], Status.PENDING),
        ([said(0), said(90), said(90, Role.DESK)], Status.PENDING),
    ],
)
def test_an_answer_that_the_customer_has_overtaken_leaves_them_waiting(
    arriving: list[PlaceMessage], status: Status
) -> None:
    assert ticket_after(*arriving).status is status


def test_an_answer_that_arrives_late_is_an_answer_nevertheless() -> None:
    state = ticket_after(said(0), said(90), said(60, Role.DESK), said(30, Role.DESK))
    answered = START + timedelta(seconds=60)
    assert (state.first_response_at, state.last_desk_message_at) == (answered, answered)
    assert state.last_customer_message_at == START + timedelta(seconds=90)


def test_a_question_that_arrives_after_a_later_answer_waits() -> None:
    """Whoever answered may not have seen it."""
    state = ticket_after(said(0), said(60, Role.DESK), said(30))
    assert state.status is Status.OPEN
    assert state.last_desk_message_at == START + timedelta(seconds=60)
