"""What happens to a message after it was placed: edits keep the old text and name the old files, deletions keep the
last text, reactions count by their time. Each returns the outcome and the ticket concerned.
"""

from dataclasses import replace
from datetime import datetime

from pydantic import JsonValue

from contracts.chat import Attachment
from contracts.ticket_commands_v1 import CloseTicket, RecordReaction, RemoveMessage, ReviseMessage, Role
from contracts.ticket_events_v1 import Actor, ActorKind, Cause, Change, ChangeKind, Status
from services.ticketing.domain.book import Book
from services.ticketing.domain.change import advance, change_of
from services.ticketing.domain.ticket import (
    AuthorKind,
    Message,
    MessageKind,
    Reaction,
    Ticket,
    printable,
    printable_name,
)

_ACTOR = {
    AuthorKind.CUSTOMER: ActorKind.CUSTOMER,
    AuthorKind.AGENT: ActorKind.AGENT,
    AuthorKind.BOT: ActorKind.BOT,
}
_AUTHOR = {Role.CUSTOMER: AuthorKind.CUSTOMER, Role.DESK: AuthorKind.AGENT, Role.BOT: AuthorKind.BOT}


def revise_message(
    book: Book, message: Message, command: ReviseMessage, at: datetime, traceparent: str | None
) -> tuple[str, str | None]:
    """`revised`, `unchanged`, or `own_reply` (whose text the desk changes, not the chat)."""
    if message.kind is not MessageKind.CHAT:
        return "own_reply", message.ticket_id
    text = printable(command.text)
    same = text == message.text and command.attachments == message.attachments
    if same and message.edited_at is not None and command.edited_at <= message.edited_at:
        return "unchanged", message.ticket_id
    more: dict[str, Change] = {}
    if message.edited_at is not None and command.edited_at < message.edited_at:
        # An older edit that came late: its text is history already.
        former = message.revisions if text == message.text else message.with_former(text, message.edited_at)
        revised = replace(message, revisions=former)
    elif same:  # edited back, or recovered with its last text: what is older than this edit may come yet
        revised = replace(message, edited_at=command.edited_at)
    else:
        revised = replace(
            message,
            text=text,
            attachments=command.attachments,
            edited_at=command.edited_at,
        )
        if text != message.text:
            revised = replace(revised, revisions=message.with_former(message.text, command.edited_at))
            more["text"] = Change(old=message.text, new=text)
        if _named(command.attachments) != _named(message.attachments):
            more["attachments"] = Change(old=_named(message.attachments), new=_named(command.attachments))
    ticket = book.tickets[message.ticket_id]
    cause = Cause(kind="command", id=command.command_id, actor=_author(message))
    after = advance(ticket, at, {})
    book.record(
        change_of(
            ticket.state,
            after,
            ChangeKind.MESSAGE_REVISED,
            at,
            cause,
            message=revised,
            traceparent=traceparent,
            more=more,
        )
    )
    return "revised", ticket.id


def _named(files: tuple[Attachment, ...]) -> list[JsonValue]:
    """What the history keeps of a message's files."""
    return [{"id": one.id, "name": one.name} for one in files]


def remove_message(
    book: Book, message: Message, command: RemoveMessage, at: datetime, traceparent: str | None
) -> tuple[str, str | None]:
    """`removed`, or `unchanged` when it is deleted already."""
    if message.deleted_at is not None:
        return "unchanged", message.ticket_id
    ticket = book.tickets[message.ticket_id]
    removed = replace(message, deleted_at=command.deleted_at)
    counted = _is_counted(ticket, message)
    left = ticket.customer_messages - 1 if counted else ticket.customer_messages
    gone = message.id == ticket.opening_message_id or (counted and left == 0)
    fields = {"status": Status.COMMENT_DELETED} if gone and ticket.is_active else {}
    after = advance(ticket, at, fields, customer_messages=left)
    cause = Cause(kind="command", id=command.command_id, actor=_author(message))
    more = {"deleted_at": Change(new=command.deleted_at.isoformat())}
    book.record(
        change_of(
            ticket.state,
            after,
            ChangeKind.MESSAGE_DELETED,
            at,
            cause,
            message=removed,
            traceparent=traceparent,
            more=more,
        )
    )
    return "removed", ticket.id


def _is_counted(ticket: Ticket, message: Message) -> bool:
    """Whether it is one of `Ticket.customer_messages`."""
    if message.context or message.kind is not MessageKind.CHAT or ticket.customer_messages == 0:
        return False
    return message.author_kind is AuthorKind.CUSTOMER or message.id == ticket.opening_message_id


def record_reaction(
    book: Book, message: Message, command: RecordReaction, at: datetime, traceparent: str | None
) -> tuple[str, str | None]:
    """`reacted`, or `unchanged` when a later or the same state is known.

    Of two with one time the later command holds: Telegram's times are whole seconds, and its order is the chat's. The
    same state with a later time is a change: what happened between may still come.
    """
    name = printable(command.name)
    kind = _author_of(command)
    new = Reaction(command.person.key, name, command.added, command.at, kind, command.agent_id)
    old = next((one for one in message.reactions if (one.person_key, one.name) == (new.person_key, name)), None)
    if old is not None and (old.at > new.at or (old.at, old.added) == (new.at, new.added)):
        return "unchanged", message.ticket_id
    reactions = (*(one for one in message.reactions if one is not old), new)
    ticket = book.tickets[message.ticket_id]
    actor = Actor(kind=_ACTOR[kind], id=new.agent_id or new.person_key)
    cause = Cause(kind="command", id=command.command_id, actor=actor)
    shown = Change(old=None, new=name) if command.added else Change(old=name, new=None)
    after = advance(ticket, at, {})
    book.record(
        change_of(
            ticket.state,
            after,
            ChangeKind.REACTION_CHANGED,
            at,
            cause,
            message=replace(message, reactions=reactions),
            traceparent=traceparent,
            more={"reaction": shown},
        )
    )
    return "reacted", ticket.id


def _author_of(command: RecordReaction) -> AuthorKind:
    """An older router doesn't tell the desk from customers."""
    if command.role is None:
        return AuthorKind.BOT if command.person.is_bot else AuthorKind.CUSTOMER
    return _AUTHOR[command.role]


def close_ticket(book: Book, command: CloseTicket, at: datetime, traceparent: str | None) -> tuple[str, str | None]:
    """`closed`; `no_ticket` when the place has no active one; `overtaken` when the customer has written since.

    The end is at the chat's time.
    """
    ticket = book.ticket_in(book.aliases.place(command.place_key))
    if ticket is None or not ticket.is_active:
        return "no_ticket", None
    asked = ticket.state.last_customer_message_at
    if asked is not None and asked > command.at:  # found late, as in a gap's history: nobody may close what came after
        return "overtaken", ticket.id
    kind = ActorKind.AGENT if command.role is Role.DESK else ActorKind.CUSTOMER
    cause = Cause(
        kind="command",
        id=command.command_id,
        actor=Actor(kind=kind, id=command.by.key, name=printable_name(command.by.name)),
    )
    fields = {
        "status": Status.CLOSED,
        "closed_at": command.at,
        "ended_at": command.at,
        "revision": ticket.state.revision + 1,
    }
    after = advance(ticket, at, fields)
    book.record(change_of(ticket.state, after, ChangeKind.UPDATED, at, cause, traceparent=traceparent))
    return "closed", ticket.id


def _author(message: Message) -> Actor:
    return Actor(kind=_ACTOR[message.author_kind], id=message.agent_id or message.author_key, name=message.author_name)
