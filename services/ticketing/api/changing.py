"""One change of one ticket by a request: the row locked, the domain asked, all written in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from chassis import outbox
from chassis.database import Connection
from contracts.base import RecordModel
from services.ticketing.api.problems import Problem, not_found
from services.ticketing.domain.book import Book
from services.ticketing.domain.change import TicketChange
from services.ticketing.domain.ticket import Message, Ticket
from services.ticketing.store import messages, tickets
from services.ticketing.store.saving import SOURCE, save_book
from services.ticketing.store.ticket_list import ShownTicket, find_ticket

_OTHER_ACTIVE = f"SELECT number FROM tickets WHERE place_key = $1 AND id <> $2 AND status IN {tickets.ACTIVE}"  # noqa: S608


async def shown_ticket(connection: Connection, reference: str) -> ShownTicket:
    """By id or number; 404 without it."""
    shown = await find_ticket(connection, reference)
    if shown is None:
        raise not_found("ticket", reference)
    return shown


async def lock_ticket(connection: Connection, reference: str) -> Ticket:
    """By id or number, locked until the transaction ends; 404 without it."""
    ticket_id = reference
    if reference.isdigit():
        ticket_id = (await shown_ticket(connection, reference)).ticket.id
    ticket = await tickets.lock_one(connection, ticket_id)
    if ticket is None:
        raise not_found("ticket", reference)
    return ticket


async def message_of_ticket(connection: Connection, ticket: Ticket, message_id: str) -> Message:
    """404 without it. Read after the ticket was locked, so it is the latest."""
    row = await connection.fetchrow(messages.ONE_OF_TICKET, ticket.id, message_id)
    if row is None:
        raise not_found("reply of this ticket", message_id)
    return messages.message_of(row)


async def save_change(
    connection: Connection,
    before: Ticket,
    change: TicketChange,
    at: datetime,
    *,
    known: Message | None = None,
    instructions: Sequence[RecordModel] = (),
) -> None:
    """Write the change, its event, and what the notifier is to do. `known`: the message as it was, if it existed."""
    book = Book(tickets={before.id: before})
    if known is not None:
        book.messages[known.id] = known
        book.posted = dict.fromkeys(known.delivery.message_keys if known.delivery else (), known.id)
    book.record(change)
    rows = [outbox.row(one, source=SOURCE, time=at, traceparent=change.traceparent) for one in instructions]
    await save_book(connection, book, at, rows)


async def check_place_is_free(connection: Connection, ticket: Ticket) -> None:
    """A place has at most one active ticket: an old one can't be reopened beside a newer one."""
    if ticket.is_active or ticket.state.place_key is None:
        return
    other = await connection.fetchval(_OTHER_ACTIVE, ticket.state.place_key, ticket.id)
    if other is not None:
        detail = f"Ticket {other} is active in the same place. Continue there, or end it before reopening this one."
        raise Problem(409, "place-taken", detail, active_ticket=other)
