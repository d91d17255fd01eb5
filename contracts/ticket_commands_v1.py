"""`ticket.commands.v1`: what the router decided, self-sufficient. Ticketing has the last word and says where it landed.

Commands of one channel keep the order of its events. A command is applied once by its `command_id`.
"""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime

from contracts.base import Model, RecordModel
from contracts.chat import Attachment, Author, Channel, Decided, Place
from contracts.keys import ChannelKey, MessageKey, PlaceKey


class Role(StrEnum):
    """On whose side an author stands."""

    CUSTOMER = "customer"
    DESK = "desk"
    BOT = "bot"


class ChatMessage(Model):
    """A platform's message as the ticket keeps it. `thread` is its own, which an alias may join to another place."""

    message_key: MessageKey
    author: Author
    role: Role
    text: str
    sent_at: AwareDatetime
    agent_id: str | None = None
    thread: str | None = None
    reply_to: MessageKey | None = None
    attachments: tuple[Attachment, ...] = ()
    context: bool = False  # read in from before the ticket: shown, but it neither opens, reopens nor answers


class TicketCommand(RecordModel):
    """`command_id` comes from the event's id; `decided` says from which record and by which rule."""

    command_id: str
    event_id: str
    decided: Decided
    received_at: AwareDatetime
    channel_key: ChannelKey

    @property
    def record_id(self) -> str:
        return self.command_id

    @property
    def record_key(self) -> str:
        return self.channel_key


class OpenTicket(Model):
    """How a ticket is opened when the place has none that takes the message.

    Within `reopen_within` seconds (platform times) of the last ticket's end that ticket is reopened; later a new one
    with `ticket_id` follows it.
    """

    ticket_id: str
    conversation_id: str
    reopen_within: float
    queue: str
    priority: str
    tags: tuple[str, ...] = ()


class PlaceMessage(TicketCommand):
    """Put this message into the place's open ticket (`ticket_id`, as far as the router knows), else open or reopen one.

    Without `open` (staff messages, context) the message goes to the place's latest ticket or nowhere.
    """

    TYPE: ClassVar[str] = "okno.ticket.place_message.v1"
    message: ChatMessage
    place: Place
    ticket_id: str | None = None
    open: OpenTicket | None = None


class ReviseMessage(TicketCommand):
    """The message has new content; the old one stays in its history."""

    TYPE: ClassVar[str] = "okno.ticket.revise_message.v1"
    message_key: MessageKey
    text: str
    edited_at: AwareDatetime
    attachments: tuple[Attachment, ...] = ()


class RemoveMessage(TicketCommand):
    """The message was deleted in the chat; its text stays in the history."""

    TYPE: ClassVar[str] = "okno.ticket.remove_message.v1"
    message_key: MessageKey
    deleted_at: AwareDatetime


class RecordReaction(TicketCommand):
    """The latest `at` of a person and name wins. `role` is the person's; None where an older writer left it out."""

    TYPE: ClassVar[str] = "okno.ticket.record_reaction.v1"
    message_key: MessageKey
    person: Author
    name: str
    added: bool
    at: AwareDatetime
    role: Role | None = None
    agent_id: str | None = None


class CloseTicket(TicketCommand):
    """Close the place's open ticket; without one, nothing."""

    TYPE: ClassVar[str] = "okno.ticket.close.v1"
    place_key: PlaceKey
    by: Author
    role: Role
    at: AwareDatetime
    ticket_id: str | None = None


class RecordAutomaticAnswer(TicketCommand):
    """The router answered by itself: show it in the place's open ticket, if there is one. Receipts follow it."""

    TYPE: ClassVar[str] = "okno.ticket.record_automatic_answer.v1"
    reply_id: str
    place: Place
    text: str
    at: AwareDatetime


class MoveChannel(TicketCommand):
    """Everything of `channel_key` goes on under `channel`; message keys are never rewritten."""

    TYPE: ClassVar[str] = "okno.ticket.move_channel.v1"
    channel: Channel
