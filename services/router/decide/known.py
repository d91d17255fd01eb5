"""What `decide` may know: frozen facts about messages, places, tickets and people, and the `View` that has them.

Every look-up of a view is total: an unknown key is None or empty, never an error. Look-ups resolve aliases (a second
root joined by `continue_within`, a channel that changed its id); the facts they return carry the keys first used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from contracts.chat import Attachment
from contracts.chat_events_v1 import MessageDeleted, MessageEdited, ReactionChanged
from contracts.ids import content_hash
from contracts.keys import ChannelKey, MessageKey, PersonKey, PlaceKey
from contracts.ticket_commands_v1 import Role
from contracts.ticket_events_v1 import Status

Change = MessageEdited | MessageDeleted | ReactionChanged


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """A message that belongs to a conversation. `ours` was posted by us, as its receipt says.

    `place` is None when the conversation was never a ticket's (an automatic answer without a ticket).
    """

    key: MessageKey
    conversation_id: str
    place: PlaceKey | None
    role: Role
    ours: bool
    content: str
    sent_at: datetime
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    album: str | None = None


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """A ticket's state as its latest event showed it. `ended_at` is set while the ticket is solved or closed."""

    ticket_id: str
    status: Status
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        return not self.status.is_active

    def ended_within(self, span: timedelta, sent_at: datetime) -> bool:
        """Whether a message sent then is within `span` of the end (inclusive), by platform times."""
        return self.ended_at is None or sent_at - self.ended_at <= span


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A place with its current conversation. `ticket` is None until an event shows it: it is taken for open."""

    key: PlaceKey
    conversation_id: str
    opening_ticket_id: str
    started_at: datetime
    ticket: TicketFacts | None = None

    @property
    def ticket_id(self) -> str:
        return self.opening_ticket_id if self.ticket is None else self.ticket.ticket_id


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who spoke last in a channel outside its threads, when (platform time), and into which place, if any."""

    person: PersonKey
    at: datetime
    place: PlaceKey | None


CLOCKS_DIFFER = timedelta(minutes=1)
"""How far a platform's clock may be from ours."""


@dataclass(frozen=True, slots=True)
class UnnamedPost:
    """A post of ours that was begun, and no receipt has named its message: it is being sent, or nobody will ever know.

    Nothing of it was sent before `begun_at` or after `ended_at` (None while it is being sent), by our clock. `place` is
    None as in `KnownMessage`.
    """

    conversation_id: str
    place: PlaceKey | None
    begun_at: datetime
    ended_at: datetime | None

    def may_be_of(self, posted_at: datetime) -> bool:
        """Whether a post of ours that the platform shows to be of this time may be this one."""
        if self.begun_at - posted_at > CLOCKS_DIFFER:
            return False
        return self.ended_at is None or posted_at - self.ended_at <= CLOCKS_DIFFER


@dataclass(frozen=True, slots=True)
class StaffMember:
    """An active member of the desk."""

    agent_id: str
    name: str


@dataclass(frozen=True, slots=True)
class EarlyChange:
    """A change that arrived before its message, under its own event id and trace."""

    event: Change
    traceparent: str | None = None


class View(Protocol):
    """What the router knows at this moment. docs/routing.md says who writes which part."""

    def rule_of(self, event_id: str) -> str | None:
        """The rule by which this event was decided before."""

    def message(self, key: MessageKey) -> KnownMessage | None:
        """A message of a conversation."""

    def album(self, channel_key: str, album: str) -> KnownMessage | None:
        """Any message of this album that belongs to a conversation."""

    def place(self, key: PlaceKey) -> KnownPlace | None:
        """The place behind a key, when it has or had a conversation."""

    def speaker(self, channel_key: str, *, backfilled: bool) -> Speaker | None:
        """Who spoke last in the channel, outside its threads: as it happened, or as its history was read."""

    def early(self, key: MessageKey) -> Sequence[EarlyChange]:
        """Changes kept for a message that had not come, in the platform's order."""

    def reunited(self, old: ChannelKey, new: ChannelKey) -> Sequence[tuple[KnownMessage, Sequence[EarlyChange]]]:
        """Messages whose kept changes name them otherwise, once both keys are known to be one channel's."""

    def unnamed(self, channel_key: str) -> Sequence[UnnamedPost]:
        """Our posts in the channel, outside its threads, whose messages no receipt has named."""

    def staff(self, person: PersonKey) -> StaffMember | None:
        """The desk member behind a chat identity."""

    def channel_name(self, channel_key: str) -> str | None:
        """The channel's name, as its profile says."""


def content_of(text: str, attachments: Sequence[Attachment]) -> str:
    """Tells two contents of a message apart: its text and its files."""
    if not attachments:
        return content_hash(text)
    return content_hash("\0".join((text, *sorted(attachment.id for attachment in attachments))))
