"""The words of a chat that several topics share: who wrote, where, and what."""

from enum import StrEnum

from pydantic import Field

from contracts.base import Model
from contracts.keys import ChannelKey, MessageKey, PersonKey, PlaceKey, Platform


class ChannelType(StrEnum):
    PUBLIC = "public"  # Slack public channel
    PRIVATE = "private"  # Slack private channel
    DIALOG = "dialog"  # Slack DM, Telegram private chat
    GROUP_DIALOG = "group_dialog"  # Slack group DM
    GROUP = "group"  # Telegram group or supergroup
    FORUM = "forum"  # Telegram supergroup with topics
    BROADCAST = "broadcast"  # Telegram channel

    @property
    def is_dialog(self) -> bool:
        """Dialogs are one place; elsewhere each thread is."""
        return self in (ChannelType.DIALOG, ChannelType.GROUP_DIALOG)


class Channel(Model):
    """A place where messages are ordered. `workspace` is the Slack team's id or the Telegram bot's id."""

    key: ChannelKey
    platform: Platform
    workspace: str
    type: ChannelType
    name: str | None = None


class Author(Model):
    """Who wrote a message, as far as the platform's payload says. `is_self` marks our own bot."""

    key: PersonKey
    name: str | None = None
    is_bot: bool = False
    is_self: bool = False
    bot_id: str | None = Field(default=None, description="Slack's bot id (B...), which policies list")
    locale: str | None = None


class Attachment(Model):
    """A file named by a message; its bytes stay at the platform."""

    id: str
    name: str | None = None
    media_type: str | None = None
    size: int | None = Field(default=None, description="bytes")
    url: str | None = None


class Command(Model):
    """A bot command: the word after the slash in lower case, without `@bot`, and the rest of the line."""

    name: str
    arguments: str = ""


class Place(Model):
    """Where a customer and the desk talk, and how to post there.

    `thread` is what the platform takes to post into the place (Slack's root ts, Telegram's topic id), `None` in a
    dialog or plain group. `reply_to` is the message a reply quotes where there are no threads (plain groups).
    """

    key: PlaceKey
    channel: Channel
    thread: str | None = None
    reply_to: MessageKey | None = None


class Person(Model):
    """Someone mentioned."""

    key: PersonKey
    name: str | None = None


class Decided(Model):
    """Where a decision was made: the record it was decided from, and by which rule."""

    partition: int
    offset: int
    rule: str
    policy_version: int
