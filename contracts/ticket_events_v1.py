"""`ticket.events.v1`: each change of a ticket with its state afterwards, keyed by ticket, gapless by version."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, Field, JsonValue

from contracts import ids
from contracts.base import Model, RecordModel
from contracts.chat import Attachment, Person, Place
from contracts.keys import ChannelKey, MessageKey, PersonKey, PlaceKey


class Status(StrEnum):
    NEW = "new"
    OPEN = "open"
    PENDING = "pending"  # waiting for the customer
    ON_HOLD = "on_hold"
    SOLVED = "solved"
    CLOSED = "closed"
    COMMENT_DELETED = "comment_deleted"

    @property
    def is_active(self) -> bool:
        """A place has at most one active ticket."""
        return self not in (Status.SOLVED, Status.CLOSED)


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class ChangeKind(StrEnum):
    OPENED = "opened"
    MESSAGE_ADDED = "message_added"
    MESSAGE_REVISED = "message_revised"
    MESSAGE_DELETED = "message_deleted"
    REACTION_CHANGED = "reaction_changed"
    REOPENED = "reopened"
    UPDATED = "updated"  # fields that agents edit, and closing from the chat
    REPLY_ADDED = "reply_added"
    REPLY_REVISED = "reply_revised"
    REPLY_DELETED = "reply_deleted"
    DELIVERY_CHANGED = "delivery_changed"
    NOTE_ADDED = "note_added"
    CHANNEL_MOVED = "channel_moved"


class ActorKind(StrEnum):
    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    SYSTEM = "system"


class Actor(Model):
    """Who caused a change: a person key, an agent's id, or the name of a rule or process."""

    kind: ActorKind
    id: str | None = None
    name: str | None = None


class Cause(Model):
    """`kind` is `command`, `request`, `receipt` or `timer`; `id` names the one that caused the change."""

    kind: str
    id: str
    actor: Actor


class Change(Model):
    old: JsonValue = None
    new: JsonValue = None


class Requester(Model):
    """The customer who opened the ticket."""

    id: str
    key: PersonKey
    name: str | None = None


class Conversation(Model):
    """The messages of one ticket in one place.

    `replies_key` is the key of its replies on `chat.replies.v1` where that isn't its channel's: it began before the
    channel moved.
    """

    id: str
    place: Place
    replies_key: ChannelKey | None = None


class Ping(Model):
    """An agent mentioned in a reply, and when that agent answered in the chat."""

    agent_id: str
    name: str
    at: AwareDatetime
    answered_at: AwareDatetime | None = None


class TicketState(Model):
    id: str
    number: int
    subject: str
    status: Status
    priority: Priority
    queue: str
    requester: Requester
    version: int
    revision: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    assignee_id: str | None = None
    tags: tuple[str, ...] = ()
    follows: str | None = None
    place_key: PlaceKey | None = None
    conversations: tuple[Conversation, ...] = ()
    first_response_at: AwareDatetime | None = None
    solved_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None  # platform time of the end, which `reopen_within` counts from
    last_customer_message_at: AwareDatetime | None = None
    last_desk_message_at: AwareDatetime | None = None
    pings: tuple[Ping, ...] = ()


class Revision(Model):
    """A former content of a message and when it was replaced.

    `number` counts a message's from 0; None where an older writer left it out, whose lists are whole.
    """

    text: str
    replaced_at: AwareDatetime
    number: int | None = None


class ReactionState(Model):
    """`author_kind` is None where an older writer left it out."""

    person: PersonKey
    name: str
    at: AwareDatetime
    author_kind: str | None = None
    agent_id: str | None = None


class DeliveryStateView(Model):
    """The fate of a reply as ticketing knows it. `version` is the latest receipt's; from `operation` on, what restoring
    needs beside (None where an older writer left it out).
    """

    state: str
    attempts: int = 0
    error: str | None = None
    message_key: MessageKey | None = None
    operation: str | None = None
    operation_state: str | None = None
    error_code: str | None = None
    version: int | None = None
    message_keys: tuple[MessageKey, ...] | None = None


class MessageState(Model):
    """A message of a ticket after the change. Notes and replies have no `message_key` until they are posted.

    `revisions` are the latest, the oldest first: what a message was before is told by the events before, too.
    From `kind` on, what restoring needs beside; None where there is none, or where an older writer left it out.
    """

    id: str
    author_kind: str
    text: str
    created_at: AwareDatetime
    author_key: str | None = None
    author_name: str | None = None
    internal: bool = False  # a note
    message_key: MessageKey | None = None
    conversation_id: str | None = None
    edited_at: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None
    revisions: tuple[Revision, ...] = ()
    reactions: tuple[ReactionState, ...] = ()
    delivery: DeliveryStateView | None = None
    kind: str | None = None
    agent_id: str | None = None
    thread: str | None = None
    reply_to: MessageKey | None = None
    attachments: tuple[Attachment, ...] | None = None
    mentions: tuple[Person, ...] | None = None
    context: bool | None = None
    removed_reactions: tuple[ReactionState, ...] | None = None


class TicketChanged(RecordModel):
    """One change. `id` is `<ticket>:<version>`; consumers drop `version <= seen`.

    `opening_message_id` and `customer_messages` (not deleted ones) are what restoring needs beside the state.
    """

    TYPE: ClassVar[str] = "okno.ticket.changed.v1"
    ticket_id: str
    version: int
    kind: ChangeKind
    at: AwareDatetime
    cause: Cause
    changes: dict[str, Change] = Field(default_factory=dict)
    ticket: TicketState
    message: MessageState | None = None
    opening_message_id: str | None = None
    customer_messages: int | None = None

    @property
    def record_id(self) -> str:
        return ids.ticket_event(self.ticket_id, self.version)

    @property
    def record_key(self) -> str:
        return self.ticket_id
