"""`chat.events.v1`: what happened in a chat, normalized. One record an event, keyed by channel."""

from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime, Field

from contracts import ids
from contracts.base import RecordModel
from contracts.chat import Attachment, Author, Channel, Command
from contracts.keys import ChannelKey, MessageKey, PersonKey


class ChatEvent(RecordModel):
    """`occurred_at` is the platform's time, `received_at` is ingest's. `backfilled` events were read from history."""

    channel: Channel
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    backfilled: bool = False

    @property
    def order(self) -> datetime:
        """Orders what happened to one message."""
        return self.occurred_at

    @property
    def record_key(self) -> str:
        return self.channel.key


class MessagePosted(ChatEvent):
    """A new message. `thread` is the root's ts (never the message's own) or the forum topic's id.

    `text` is plain: the platform's escapes and entities are resolved. `delivery_id` is found in the metadata of our
    own posts.
    """

    TYPE: ClassVar[str] = "okno.chat.message_posted.v1"
    message_key: MessageKey
    author: Author
    text: str
    thread: str | None = None
    reply_to: MessageKey | None = None
    command: Command | None = None
    mentions: tuple[PersonKey, ...] = ()
    mentions_us: bool = False
    attachments: tuple[Attachment, ...] = ()
    album: str | None = Field(default=None, description="Telegram's media_group_id")
    delivery_id: str | None = None
    our_post_at: AwareDatetime | None = Field(
        default=None, description="the platform's time of the message replied to, where that is a post of our own bot"
    )

    @property
    def record_id(self) -> str:
        return ids.post_event(self.message_key)


class MessageEdited(ChatEvent):
    """A message has new content: in Slack the text or the files changed, in Telegram possibly only what a link shows.

    `occurred_at` is the time that stands in the platform's history: the event's id is made of it. Where that is too
    coarse to order edits, `ordered_at` does.
    """

    TYPE: ClassVar[str] = "okno.chat.message_edited.v1"
    message_key: MessageKey
    author: Author
    text: str
    thread: str | None = None
    attachments: tuple[Attachment, ...] = ()
    delivery_id: str | None = None
    ordered_at: AwareDatetime | None = None

    @property
    def order(self) -> datetime:
        return self.ordered_at or self.occurred_at

    @property
    def record_id(self) -> str:
        return ids.edit_event(self.message_key, self.occurred_at, self.text, [file.id for file in self.attachments])


class MessageDeleted(ChatEvent):
    TYPE: ClassVar[str] = "okno.chat.message_deleted.v1"
    message_key: MessageKey
    thread: str | None = None

    @property
    def record_id(self) -> str:
        return ids.deletion_event(self.message_key)


class ReactionChanged(ChatEvent):
    """`name` is Slack's name without colons (`thumbsup`) or Telegram's emoji. Of two with one time the later record
    holds.
    """

    TYPE: ClassVar[str] = "okno.chat.reaction_changed.v1"
    message_key: MessageKey
    person: Author
    name: str
    added: bool
    update_id: int | None = Field(
        default=None, ge=0, lt=2**63, description="Telegram's number of the update, the same when it is sent again"
    )

    @property
    def record_id(self) -> str:
        return ids.reaction_event(
            self.message_key,
            self.person.key,
            self.name,
            added=self.added,
            at=self.occurred_at,
            update_id=self.update_id,
        )


class ButtonPressed(ChatEvent):
    """A button under a message of ours (a Telegram callback query; `query_id` lives 150 seconds)."""

    TYPE: ClassVar[str] = "okno.chat.button_pressed.v1"
    person: Author
    query_id: str
    data: str
    message_key: MessageKey | None = None
    thread: str | None = None

    @property
    def record_id(self) -> str:
        return ids.button_event(self.channel.key, self.query_id)


class ChannelMoved(ChatEvent):
    """The channel has a new key (supergroup migration, Slack `channel_id_changed`). `channel` is the new one.

    Keyed by the old channel, so that it follows everything said there.
    """

    TYPE: ClassVar[str] = "okno.chat.channel_moved.v1"
    old_channel_key: ChannelKey

    @property
    def record_id(self) -> str:
        return ids.channel_moved_event(self.old_channel_key, self.channel.key)

    @property
    def record_key(self) -> str:
        return self.old_channel_key
