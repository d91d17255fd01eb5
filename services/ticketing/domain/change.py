"""One change of a ticket: the ticket after it and the event that tells of it. Versions are gapless."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from contracts.ticket_events_v1 import Cause, Change, ChangeKind, TicketChanged, TicketState
from services.ticketing.domain.ticket import Message, Ticket

SHOWN = ("status", "priority", "queue", "assignee_id", "tags")
"""The fields whose old and new values an event names."""


@dataclass(frozen=True, slots=True)
class TicketChange:
    """What one command or request did to one ticket. `traceparent` is the journey that it belongs to."""

    ticket: Ticket
    event: TicketChanged
    message: Message | None
    traceparent: str | None


def advance(ticket: Ticket, at: datetime, fields: dict[str, Any], **beside: Any) -> Ticket:
    """The next version. `fields` are of `TicketState`, `beside` of `Ticket`."""
    state = ticket.state.model_copy(update={"version": ticket.state.version + 1, "updated_at": at, **fields})
    return replace(ticket, state=state, **beside)


def change_of(
    before: TicketState | None,
    after: Ticket,
    kind: ChangeKind,
    at: datetime,
    cause: Cause,
    *,
    message: Message | None = None,
    traceparent: str | None = None,
    more: dict[str, Change] | None = None,
) -> TicketChange:
    """Names what differs between the states; `more` adds what isn't a field of the ticket."""
    changes = dict(more) if more else {}
    for name in SHOWN:
        new = getattr(after.state, name)
        old = None if before is None else getattr(before, name)
        if old != new and (before is not None or name == "status"):
            changes[name] = Change(old=_plain(old), new=_plain(new))
    event = TicketChanged(
        ticket_id=after.id,
        version=after.state.version,
        kind=kind,
        at=at,
        cause=cause,
        changes=changes,
        ticket=after.state,
        message=None if message is None else message.view(),
        opening_message_id=after.opening_message_id,
        customer_messages=after.customer_messages,
    )
    return TicketChange(after, event, message, traceparent)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
