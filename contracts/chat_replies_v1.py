"""`chat.replies.v1`: what is to be posted, changed or withdrawn in a chat, in order per channel."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime

from contracts.base import RecordModel
from contracts.chat import Decided, Person, Place
from contracts.keys import ChannelKey

DELIVERY_METADATA = "okno_delivery"
"""`metadata.event_type` of our posts in Slack; the payload's `delivery_id` names the delivery."""


class ReplySource(StrEnum):
    AGENT = "agent"
    AUTOMATIC = "automatic"


class ReplyInstruction(RecordModel):
    """`instruction_id` names this instruction; `delivery_id` is the reply's id and stays the same for its edits.

    `channel_key` is the key that the conversation began with, for its life: all that is said about its replies stays in
    order, also when the channel moves. `moved_to` is the channel's key now, once it has moved.

    `seen_version` is that of the latest receipt that the sender has seen of the delivery, 0 without any.
    """

    instruction_id: str
    delivery_id: str
    channel_key: ChannelKey
    requested_at: AwareDatetime
    moved_to: ChannelKey | None = None
    conversation_id: str | None = None
    seen_version: int | None = None

    @property
    def record_id(self) -> str:
        return self.instruction_id

    @property
    def record_key(self) -> str:
        return self.channel_key


class PostReply(ReplyInstruction):
    """Post `text` (CommonMark) in the place, mentioning `mentions` first. Order is kept per conversation."""

    TYPE: ClassVar[str] = "okno.reply.post.v1"
    conversation_id: str
    place: Place
    text: str
    source: ReplySource
    ticket_id: str | None = None
    mentions: tuple[Person, ...] = ()
    decided: Decided | None = None


class EditReply(ReplyInstruction):
    TYPE: ClassVar[str] = "okno.reply.edit.v1"
    text: str
    mentions: tuple[Person, ...] = ()


class DeleteReply(ReplyInstruction):
    TYPE: ClassVar[str] = "okno.reply.delete.v1"


class ResendReply(ReplyInstruction):
    """A person decided that a `failed` or `unknown` delivery is to be tried again."""

    TYPE: ClassVar[str] = "okno.reply.resend.v1"


class ConfirmReply(ReplyInstruction):
    """A person saw that an `unknown` delivery arrived."""

    TYPE: ClassVar[str] = "okno.reply.confirm.v1"


class CancelReply(ReplyInstruction):
    """Don't send it, if it hasn't been sent yet."""

    TYPE: ClassVar[str] = "okno.reply.cancel.v1"
