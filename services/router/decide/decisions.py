"""What can be decided, as values. Acting on them (commands, replies, view changes) is done elsewhere.

A decision has no command's name: `PlacePost` becomes `PlaceMessage`, `AliasChannel` becomes `MoveChannel`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.chat import Attachment, Author, Channel
from contracts.keys import ChannelKey, MessageKey, PersonKey, PlaceKey
from contracts.ticket_commands_v1 import Role
from services.router.decide.known import Change, EarlyChange, TicketFacts

ECHO_RULE = "echo"
"""Our own post is ignored by this rule. A receipt may yet tell which conversation it belongs to."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing comes of it."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Address:
    """How to post into a place: what `contracts.chat.Place` has beside its channel."""

    key: PlaceKey
    thread: str | None = None
    reply_to: MessageKey | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """How the message opens or reopens a ticket, if ticketing finds none that takes it."""

    ticket_id: str
    conversation_id: str
    reopen_within: timedelta
    queue: str
    priority: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlacePost:
    """The message goes into this conversation of this place.

    `starts`: the conversation begins with it. `alias`: the message's own thread leads to the same place from now on.
    `seen`: the ticket's state as the view showed it, for the record.
    """

    rule: str
    role: Role
    agent_id: str | None
    address: Address
    conversation_id: str
    ticket_id: str
    content: str
    open: Opening | None = None
    context: bool = False
    starts: bool = False
    alias: PlaceKey | None = None
    seen: TicketFacts | None = None


@dataclass(frozen=True, slots=True)
class Revise:
    """The message has new content. `early` is set when the change came before its message."""

    rule: str
    message_key: MessageKey
    text: str
    attachments: tuple[Attachment, ...]
    content: str
    at: datetime
    early: EarlyChange | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """The message was deleted in the chat."""

    rule: str
    message_key: MessageKey
    at: datetime
    early: EarlyChange | None = None


@dataclass(frozen=True, slots=True)
class React:
    """A reaction was put on or taken off a message of a conversation, by a person of this side."""

    rule: str
    message_key: MessageKey
    person: Author
    name: str
    added: bool
    at: datetime
    early: EarlyChange | None = None
    role: Role = Role.CUSTOMER
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close the place's open ticket."""

    rule: str
    role: Role
    place: PlaceKey
    ticket_id: str
    seen: TicketFacts | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An automatic answer of the policy."""

    rule: str
    name: str
    text: str
    address: Address
    conversation_id: str
    ticket_id: str | None


@dataclass(frozen=True, slots=True)
class KeepEarly:
    """The change came before its message: keep it until that comes."""

    rule: str
    change: Change


@dataclass(frozen=True, slots=True)
class AliasChannel:
    """The channel goes on under another key."""

    rule: str
    old: ChannelKey
    channel: Channel


@dataclass(frozen=True, slots=True)
class RequestHistory:
    """Read in the thread's root and the replies before this message."""

    rule: str
    thread: str
    before: datetime


@dataclass(frozen=True, slots=True)
class Speak:
    """Who spoke last in the channel outside its threads, as it happened or as its history is read."""

    channel_key: ChannelKey
    backfilled: bool
    person: PersonKey
    at: datetime
    place: PlaceKey | None


Decision = (
    Ignore | PlacePost | Revise | Remove | React | Close | Answer | KeepEarly | AliasChannel | RequestHistory | Speak
)
