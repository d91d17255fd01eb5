"""A ticket and its messages as values. A change makes a new value; `version` grows by one with each."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.chat import Attachment, Person
from contracts.keys import MessageKey, PersonKey
from contracts.ticket_events_v1 import (
    Conversation,
    DeliveryStateView,
    MessageState,
    ReactionState,
    Revision,
    TicketState,
)

CARRIED = 20
CARRIED_BYTES = 256 * 1024
"""So many former texts an event carries at the most, of so many bytes in all, but at least the latest. Beside them its
message and its change, each text of 100,000 characters, fit a record however JSON writes them."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """`state` is what everybody may know; the rest is what the rules need beside it."""

    state: TicketState
    opening_message_id: str | None = None
    customer_messages: int = 0
    """Messages of the customer that are neither deleted nor context."""
    traceparent: str | None = None
    """The journey of the customer's latest message."""

    @property
    def id(self) -> str:
        return self.state.id

    @property
    def is_active(self) -> bool:
        return self.state.status.is_active

    def conversation_in(self, place_key: str) -> Conversation | None:
        """The ticket's conversation in a place; the latest when it has several there."""
        return next((c for c in reversed(self.state.conversations) if c.place.key == place_key), None)

    def conversation(self, conversation_id: str) -> Conversation | None:
        return next((c for c in self.state.conversations if c.id == conversation_id), None)


class MessageKind(StrEnum):
    """How a message came to the ticket."""

    CHAT = "chat"
    REPLY = "reply"
    AUTOMATIC = "automatic"
    NOTE = "note"

    @property
    def is_delivered(self) -> bool:
        """Whether it is ours and goes out to a chat."""
        return self in (MessageKind.REPLY, MessageKind.AUTOMATIC)


class AuthorKind(StrEnum):
    """On whose side the author stands, as shown to people."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The fate of a reply. `version` is that of the latest receipt; 0 before the first.

    `state` is the post's. A later edit or deletion is the `operation` that was heard of last, with its own state: it
    failing doesn't take the post back.
    """

    state: str = "queued"
    operation: str = "post"
    operation_state: str = "queued"
    attempts: int = 0
    error_code: str | None = None
    error: str | None = None
    version: int = 0
    message_keys: tuple[MessageKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Reaction:
    """One person's reaction by one name; `added` false is the memory of a removal.

    `author_kind` is None where it was recorded before that was.
    """

    person_key: PersonKey
    name: str
    added: bool
    at: datetime
    author_kind: AuthorKind | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """`id` is the message key of a platform's message, or the reply's or note's own id."""

    id: str
    ticket_id: str
    kind: MessageKind
    author_kind: AuthorKind
    text: str
    sent_at: datetime
    ordinal: int = 0
    conversation_id: str | None = None
    author_key: PersonKey | None = None
    author_name: str | None = None
    agent_id: str | None = None
    thread: str | None = None
    reply_to: MessageKey | None = None
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[Person, ...] = ()
    context: bool = False
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    revisions: tuple[Revision, ...] = ()
    """The latest, the oldest first; those before them are stored only."""
    reactions: tuple[Reaction, ...] = field(default=())
    delivery: Delivery | None = None
    traceparent: str | None = None

    @property
    def message_key(self) -> MessageKey | None:
        """Where it stands in the chat; None for notes and for replies that are not posted yet."""
        if self.kind is MessageKind.CHAT:
            return MessageKey(self.id)
        return self.delivery.message_keys[0] if self.delivery and self.delivery.message_keys else None

    def with_former(self, text: str, replaced_at: datetime) -> tuple[Revision, ...]:
        """The latest of its revisions and this one, under the next number."""
        number = self.revisions[-1].number if self.revisions else -1
        assert number is not None  # noqa: S101  only events have revisions without
        return (*self.revisions, Revision(text=text, replaced_at=replaced_at, number=number + 1))[-CARRIED:]

    def view(self) -> MessageState:
        """What `ticket.events` says about it."""
        values: dict[str, Any] = {
            "id": self.id,
            "author_kind": self.author_kind.value,
            "author_key": self.author_key,
            "author_name": self.author_name,
            "text": self.text,
            "created_at": self.sent_at,
            "internal": self.kind is MessageKind.NOTE,
            "message_key": self.message_key,
            "conversation_id": self.conversation_id,
            "edited_at": self.edited_at,
            "deleted_at": self.deleted_at,
            "revisions": _latest(self.revisions),
            "kind": self.kind.value,
            "agent_id": self.agent_id,
            "thread": self.thread,
            "reply_to": self.reply_to,
            "attachments": self.attachments or None,
            "mentions": self.mentions or None,
            "context": self.context or None,
        }
        if self.reactions:
            values["reactions"] = self._reactions(added=True)
            values["removed_reactions"] = self._reactions(added=False) or None
        if self.delivery is not None:
            values["delivery"] = DeliveryStateView(
                state=self.delivery.state,
                attempts=self.delivery.attempts,
                error=self.delivery.error,
                message_key=self.message_key,
                operation=self.delivery.operation,
                operation_state=self.delivery.operation_state,
                error_code=self.delivery.error_code,
                version=self.delivery.version,
                message_keys=self.delivery.message_keys or None,
            )
        return MessageState(**values)

    def _reactions(self, *, added: bool) -> tuple[ReactionState, ...]:
        return tuple(
            ReactionState(
                person=one.person_key,
                name=one.name,
                at=one.at,
                author_kind=None if one.author_kind is None else one.author_kind.value,
                agent_id=one.agent_id,
            )
            for one in self.reactions
            if one.added is added
        )


def _latest(revisions: tuple[Revision, ...]) -> tuple[Revision, ...]:
    """Those that an event carries: it has to fit a record however often its message is changed."""
    first, size = len(revisions), 0
    for one in reversed(revisions[-CARRIED:]):
        size += len(one.text.encode())
        if size > CARRIED_BYTES and first < len(revisions):
            break
        first -= 1
    return revisions[first:]


def printable(text: str) -> str:
    """PostgreSQL takes no NUL characters in text; the replacement character shows that something was there."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


def one_line(label: str) -> str:
    """A label without its control characters, which divide the elements of a list on their way into the database.

    No policy that is applied today has any, but an older one may.
    """
    if label.isprintable():
        return label
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) == "Cc" else one for one in label)


def printable_name(name: str | None) -> str | None:
    return None if name is None else printable(name)


def latest(first: datetime | None, second: datetime) -> datetime:
    return second if first is None or second > first else first
