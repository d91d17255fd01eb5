"""Addresses in the platforms: the only place where keys are put together and taken apart.

    channel key   slack:C034                       telegram:<bot id>:<chat id>
    message key   slack:C034:1716300000.000100     telegram:7700:-100123:55
    person key    slack:U012                       telegram:<user id>
    place key     <channel key>                    a dialog (DM, private chat)
                  <channel key>/<thread>           a Slack thread (root ts), a forum topic,
                                                   or the thread that a top-level message roots

A message key is never rewritten; a channel that changes its id gets an alias, resolved at look-up.
Slack channel ids are global; Telegram chat ids are local to a bot in private chats, so the bot is part of them.
"""

from enum import StrEnum
from typing import NewType

ChannelKey = NewType("ChannelKey", str)
MessageKey = NewType("MessageKey", str)
PersonKey = NewType("PersonKey", str)
PlaceKey = NewType("PlaceKey", str)


class Platform(StrEnum):
    SLACK = "slack"
    TELEGRAM = "telegram"


class InvalidKey(ValueError):
    """A string that is not a key of the kind asked for."""


def slack_channel(channel_id: str) -> ChannelKey:
    return ChannelKey(f"slack:{channel_id}")


def telegram_channel(bot_id: int | str, chat_id: int | str) -> ChannelKey:
    return ChannelKey(f"telegram:{bot_id}:{chat_id}")


def slack_person(user_id: str) -> PersonKey:
    return PersonKey(f"slack:{user_id}")


def telegram_person(user_id: int | str) -> PersonKey:
    return PersonKey(f"telegram:{user_id}")


def message_key(channel: str, message_id: int | str) -> MessageKey:
    """`message_id` is Slack's `ts` or Telegram's `message_id`."""
    return MessageKey(f"{channel}:{message_id}")


def place_key(channel: str, thread: str | None) -> PlaceKey:
    """A dialog has no thread. Elsewhere `thread` is the root's ts, the topic's id or the root's message id."""
    return PlaceKey(channel if thread is None else f"{channel}/{thread}")


def platform_of(key: str) -> Platform:
    """The platform of any key. Raises InvalidKey for a string that begins with none."""
    head, _, rest = key.partition(":")
    if not rest or head not in _PLATFORMS:
        raise InvalidKey(f"{key!r} is not a key: it must begin with one of {', '.join(_PLATFORMS)} and a colon")
    return _PLATFORMS[head]


def channel_of_message(key: str) -> ChannelKey:
    return ChannelKey(key.rpartition(":")[0])


def message_id_of(key: str) -> str:
    """Slack's ts or Telegram's message id."""
    return key.rpartition(":")[2]


def channel_of_place(key: str) -> ChannelKey:
    return ChannelKey(key.partition("/")[0])


def thread_of_place(key: str) -> str | None:
    return key.partition("/")[2] or None


def native_channel(key: str) -> str:
    """The id that the platform's API takes: Slack's channel id or Telegram's chat id."""
    return key.rpartition(":")[2]


def native_person(key: str) -> str:
    return key.rpartition(":")[2]


def telegram_bot_of(key: str) -> str:
    """The bot's id in a Telegram channel or message key."""
    return key.split(":", 2)[1]


def ordinal(key: str) -> int:
    """The platform's order of messages in one channel: Slack's ts in microseconds, Telegram's message id."""
    seconds, dot, fraction = message_id_of(key).partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6]) if dot else int(seconds)


_PLATFORMS = {platform.value: platform for platform in Platform}
