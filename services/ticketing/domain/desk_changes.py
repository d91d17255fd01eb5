"""What the desk does to a ticket: fields, replies, notes, instructions about replies. Requests come in checked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from contracts import ids
from contracts.chat import Person
from contracts.keys import PersonKey
from contracts.ticket_events_v1 import Cause, Change, ChangeKind, Conversation, Ping, Priority, Status
from services.ticketing.domain.change import TicketChange, advance, change_of
from services.ticketing.domain.deliveries import AFTER_CHAT, check_instruction
from services.ticketing.domain.placing import response_fields
from services.ticketing.domain.status import check_transition
from services.ticketing.domain.ticket import AuthorKind, Delivery, Message, MessageKind, Ticket, printable


@dataclass(frozen=True, slots=True)
class Fields:
    """What a PATCH wants; None means unmentioned. `unassign` tells "no assignee" from "unmentioned"."""

    status: Status | None = None
    priority: Priority | None = None
    queue: str | None = None
    assignee_id: str | None = None
    unassign: bool = False
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """An agent and the identity by which they are mentioned in the chat."""

    agent_id: str
    name: str
    person_key: PersonKey


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: an agent, or a token without one."""

    agent_id: str | None
    name: str


def update_fields(
    ticket: Ticket, wanted: Fields, at: datetime, cause: Cause, traceparent: str | None
) -> TicketChange | None:
    """None when nothing differs. Raises IllegalTransition."""
    state = ticket.state
    new: dict[str, Any] = {}
    if wanted.status is not None and wanted.status is not state.status:
        check_transition(state.status, wanted.status)
        new |= _status_fields(ticket, wanted.status, at)
    for name in ("priority", "queue", "tags"):
        value = getattr(wanted, name)
        if value is not None and value != getattr(state, name):
            new[name] = value
    if wanted.unassign or wanted.assignee_id is not None:
        assignee = None if wanted.unassign else wanted.assignee_id
        if assignee != state.assignee_id:
            new["assignee_id"] = assignee
    if not new:
        return None
    after = advance(ticket, at, {**new, "revision": state.revision + 1})
    reopened = not state.status.is_active and after.is_active
    kind = ChangeKind.REOPENED if reopened else ChangeKind.UPDATED
    return change_of(state, after, kind, at, cause, traceparent=traceparent)


def _status_fields(ticket: Ticket, status: Status, at: datetime) -> dict[str, Any]:
    """`ended_at` is when the ticket stopped being active: closing a solved one doesn't move it."""
    fields: dict[str, Any] = {"status": status}
    if status.is_active:
        return fields | {"solved_at": None, "closed_at": None, "ended_at": None}
    if ticket.is_active:
        fields["ended_at"] = at
    fields["solved_at" if status is Status.SOLVED else "closed_at"] = at
    return fields


def write_reply(
    ticket: Ticket,
    conversation: Conversation,
    writer: Writer,
    text: str,
    mentions: Sequence[Mention],
    at: datetime,
    cause: Cause,
    traceparent: str | None,
) -> TicketChange:
    """A reply on its way: the message, the pings of who is mentioned, and what an answer changes."""
    state = ticket.state
    fields = response_fields(state, at, writer.agent_id)
    new = tuple(Ping(agent_id=one.agent_id, name=one.name, at=at) for one in mentions)
    pings: tuple[Ping, ...] = fields["pings"]  # type: ignore[assignment]
    fields["pings"] = (*pings, *new)
    after = advance(ticket, at, fields)
    message = Message(
        id=ids.reply(ticket.id, after.state.version),
        ticket_id=ticket.id,
        kind=MessageKind.REPLY,
        author_kind=AuthorKind.AGENT,
        author_name=writer.name,
        agent_id=writer.agent_id,
        text=printable(text),
        sent_at=at,
        ordinal=AFTER_CHAT,
        conversation_id=conversation.id,
        thread=conversation.place.thread,
        reply_to=conversation.place.reply_to,
        mentions=tuple(Person(key=one.person_key, name=one.name) for one in mentions),
        delivery=Delivery(),
        traceparent=traceparent,
    )
    return change_of(state, after, ChangeKind.REPLY_ADDED, at, cause, message=message, traceparent=traceparent)


def write_note(
    ticket: Ticket, writer: Writer, text: str, at: datetime, cause: Cause, traceparent: str | None
) -> TicketChange:
    """A note stays inside: it answers nobody and changes no status."""
    after = advance(ticket, at, {})
    message = Message(
        id=f"not_{ids.reply(ticket.id, after.state.version).removeprefix('rpl_')}",
        ticket_id=ticket.id,
        kind=MessageKind.NOTE,
        author_kind=AuthorKind.AGENT,
        author_name=writer.name,
        agent_id=writer.agent_id,
        text=printable(text),
        sent_at=at,
        ordinal=AFTER_CHAT,
        traceparent=traceparent,
    )
    return change_of(ticket.state, after, ChangeKind.NOTE_ADDED, at, cause, message=message, traceparent=traceparent)


def revise_reply(
    ticket: Ticket, message: Message, text: str, at: datetime, cause: Cause, traceparent: str | None
) -> TicketChange | None:
    """None when the text is the same. Raises IllegalInstruction."""
    check_instruction(message, "edit")
    text = printable(text)
    if text == message.text:
        return None
    revised = replace(message, text=text, edited_at=at, revisions=message.with_former(message.text, at))
    more = {"text": Change(old=message.text, new=text)}
    after = advance(ticket, at, {})
    return change_of(
        ticket.state, after, ChangeKind.REPLY_REVISED, at, cause, message=revised, traceparent=traceparent, more=more
    )


def delete_reply(ticket: Ticket, message: Message, at: datetime, cause: Cause, traceparent: str | None) -> TicketChange:
    """Raises IllegalInstruction."""
    check_instruction(message, "delete")
    more = {"deleted_at": Change(new=at.isoformat())}
    after = advance(ticket, at, {})
    deleted = replace(message, deleted_at=at)
    return change_of(
        ticket.state, after, ChangeKind.REPLY_DELETED, at, cause, message=deleted, traceparent=traceparent, more=more
    )


def instruct(
    ticket: Ticket, message: Message, operation: str, at: datetime, cause: Cause, traceparent: str | None
) -> TicketChange:
    """`resend`, `confirm` or `cancel`. Raises IllegalInstruction. The receipt says what came of it."""
    check_instruction(message, operation)
    delivery = message.delivery or Delivery()
    if operation == "resend":  # so that a second click is refused before the first one's receipt
        requeued = replace(
            delivery, state="queued", operation="post", operation_state="queued", error_code=None, error=None
        )
        message = replace(message, delivery=requeued)
    more = {"delivery": Change(old=delivery.state, new=f"{operation} requested")}
    after = advance(ticket, at, {})
    return change_of(
        ticket.state, after, ChangeKind.DELIVERY_CHANGED, at, cause, message=message, traceparent=traceparent, more=more
    )
