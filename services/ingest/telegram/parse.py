"""Telegram's updates to chat events. Pure; shapes from the Bot API 10.1.

Reads plain JSON, not the library's types: those raise on a field that is missing, and one odd update must not stop
the others. Entity offsets count UTF-16 units.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from contracts import keys
from contracts.base import RecordModel
from contracts.chat import Attachment, Author, Channel, ChannelType, Command
from contracts.chat_events_v1 import ButtonPressed, ChannelMoved, MessageEdited, MessagePosted, ReactionChanged
from contracts.keys import PersonKey, Platform
from services.ingest.parsed import NotYet, Parsed, clean
from services.ingest.telegram.content import FILES, is_moving, service_kind, stand_in
from services.ingest.telegram.quoting import forwarded_from, with_words_of_others

Json = dict[str, Any]

_LONGEST_NAME = 100
"""A user name and a command have at most 32 characters each, and a command may name the bot."""
_MAX_REACTIONS = 100
"""On one message, old and new. Telegram allows eleven different ones (`reactions_uniq_max`, "Client configuration") and
a chat fewer (`max_reaction_count`), a person three. Each becomes a record: more than this isn't Telegram's shape.
"""
NAME_AWAITED_SECONDS = 300.0
"""How long after the start what names a bot waits for our own name. Behind an update that is refused Telegram holds its
chat: a Bot API that stays away must not stop whole chats.
"""
_GROUP_TYPES = {"group", "supergroup"}


class Bot:
    """Who we are for one bot: its id, and its user name without the at sign (lower case) once Telegram has told it.

    `ticks` is a monotonic clock in seconds.
    """

    def __init__(
        self, bot_id: int, username: str | None = None, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self.id = bot_id
        self.username = username.lower() if username else None
        self._ticks = ticks
        self._awaited_until = ticks() + NAME_AWAITED_SECONDS

    def is_named(self, name: str) -> bool:
        """Raises NotYet while our own name isn't known, in the first minutes: what names a bot may name us. Later no
        name is ours until it is known.
        """
        if self.username is None and self._ticks() < self._awaited_until:
            raise NotYet("Telegram hasn't told the bot's name yet")
        return name.lower() == self.username


def parse(update: Json, bot: Bot, received_at: datetime) -> Parsed:
    """Raises KeyError, TypeError or ValueError for an update that breaks its own shape, NotYet for one that names a bot
    while our own name is waited for.
    """
    if "update_id" not in update:
        raise KeyError("update_id")
    kind = next((name for name in update if name != "update_id"), "empty")
    if kind == "message_reaction":
        return _reaction(update[kind], bot, received_at, update["update_id"])
    reader = _READERS.get(kind)
    if reader is None:
        return Parsed(
            kind, known=kind in ("my_chat_member", "chat_member", "message_reaction_count", "poll", "poll_answer")
        )
    return reader(update[kind], bot, received_at)


def _message(message: Json, bot: Bot, received_at: datetime) -> Parsed:
    if (moved := _moved(message, bot, received_at)) is not None:
        return Parsed("message.migrated", (moved,))
    if message.get("is_automatic_forward"):
        return Parsed("message.automatic_forward")
    if (service := service_kind(message)) is not None:
        return Parsed(f"message.{service}")
    channel = _channel(message["chat"], bot)
    entities = [] if forwarded_from(message) else _entities(message)
    return Parsed(
        "message",
        (
            MessagePosted(
                channel=channel,
                occurred_at=_time(message["date"]),
                received_at=received_at,
                message_key=keys.message_key(channel.key, message["message_id"]),
                author=_author(message, bot),
                text=_text(message),
                thread=_thread(message),
                reply_to=_reply_to(message, channel),
                command=_command(message, entities, bot),
                mentions=_mentions(entities),
                mentions_us=_mentions_us(message, entities, bot),
                attachments=_attachments(message),
                album=message.get("media_group_id"),
                our_post_at=_our_post_at(message, bot),
            ),
        ),
    )


def _edited(message: Json, bot: Bot, received_at: datetime) -> Parsed:
    if message.get("is_automatic_forward"):
        return Parsed("edited_message.automatic_forward")
    if is_moving(message):
        return Parsed("edited_message.location")
    channel = _channel(message["chat"], bot)
    record = MessageEdited(
        channel=channel,
        occurred_at=_time(message["edit_date"]),
        received_at=received_at,
        message_key=keys.message_key(channel.key, message["message_id"]),
        author=_author(message, bot),
        text=_text(message),
        thread=_thread(message),
        attachments=_attachments(message),
    )
    return Parsed("edited_message", (record,))


def _reaction(reaction: Json, bot: Bot, received_at: datetime, update_id: int) -> Parsed:
    """Telegram sends the whole old and new list; the difference is what changed.

    Its times are whole seconds ("MessageReactionUpdated", `date`): a reaction set, taken back and set again within one
    is told from the first by the update's number.
    """
    channel = _channel(reaction["chat"], bot)
    old, new = _reaction_names(reaction["old_reaction"]), _reaction_names(reaction["new_reaction"])
    actor = {"chat": reaction["chat"], "from": reaction.get("user"), "sender_chat": reaction.get("actor_chat")}
    person = _author(actor, bot)
    if len(old) + len(new) > _MAX_REACTIONS:
        raise ValueError("too many reactions")
    changes = [(name, False) for name in old if name not in new] + [(name, True) for name in new if name not in old]
    records: tuple[RecordModel, ...] = tuple(
        ReactionChanged(
            channel=channel,
            occurred_at=_time(reaction["date"]),
            received_at=received_at,
            message_key=keys.message_key(channel.key, reaction["message_id"]),
            person=person,
            name=name,
            added=added,
            update_id=update_id,
        )
        for name, added in changes
    )
    return Parsed("message_reaction", records)


def _button(query: Json, bot: Bot, received_at: datetime) -> Parsed:
    """A press on a message too old to be shown, or on an inline one, names no chat and is nothing for us."""
    message: Json | None = query.get("message")
    if message is None or "data" not in query:
        return Parsed("callback_query.inline")
    channel = _channel(message["chat"], bot)
    record = ButtonPressed(
        channel=channel,
        occurred_at=received_at,
        received_at=received_at,
        person=_author(query, bot),
        query_id=query["id"],
        data=clean(query["data"]),
        message_key=keys.message_key(channel.key, message["message_id"]),
        thread=_thread(message),
    )
    return Parsed("callback_query", (record,))


def _moved(message: Json, bot: Bot, received_at: datetime) -> ChannelMoved | None:
    """Both chats announce a migration; both announcements are the same event."""
    chat: Json = message["chat"]
    if "migrate_to_chat_id" in message:
        old, new = chat["id"], message["migrate_to_chat_id"]
    elif "migrate_from_chat_id" in message:
        old, new = message["migrate_from_chat_id"], chat["id"]
    else:
        return None
    return ChannelMoved(
        channel=_channel({**chat, "id": new, "type": "supergroup"}, bot),
        old_channel_key=keys.telegram_channel(bot.id, old),
        occurred_at=_time(message["date"]),
        received_at=received_at,
    )


def _channel(chat: Json, bot: Bot) -> Channel:
    name = chat.get("title") or chat.get("username")
    return Channel(
        key=keys.telegram_channel(bot.id, chat["id"]),
        platform=Platform.TELEGRAM,
        workspace=str(bot.id),
        type=_channel_type(chat),
        name=clean(name) if name else None,
    )


def _channel_type(chat: Json) -> ChannelType:
    if chat["type"] == "private":
        return ChannelType.DIALOG
    if chat["type"] in _GROUP_TYPES:
        return ChannelType.FORUM if chat.get("is_forum") else ChannelType.GROUP
    return ChannelType.BROADCAST


def _author(message: Json, bot: Bot) -> Author:
    """Anonymous administrators write as their group, channels and people who hide behind one as that channel
    (`sender_chat`); outside private chats `from` is then a stand-in, and not always a bot ("Message", `from`).
    """
    user: Json | None = message.get("from")
    chat: Json | None = message.get("sender_chat")
    if chat is not None and (user is None or message["chat"]["type"] != "private"):
        title = chat.get("title") or chat.get("username")
        return Author(key=keys.telegram_person(chat["id"]), name=clean(title) if title else None)
    if user is None:
        own = message["chat"]
        return Author(key=keys.telegram_person(own["id"]), name=clean(own["title"]) if own.get("title") else None)
    name = " ".join(part for part in (user.get("first_name"), user.get("last_name")) if part) or user.get("username")
    return Author(
        key=keys.telegram_person(user["id"]),
        name=clean(name) if name else None,
        is_bot=bool(user.get("is_bot")),
        is_self=user["id"] == bot.id,
        locale=user.get("language_code"),
    )


def _text(message: Json) -> str:
    """The text or caption, or where there is neither what the message shows, below what is others' in it."""
    own = _own_text(message)
    return clean(with_words_of_others(message, stand_in(message) if own is None else own))


def _own_text(message: Json) -> str | None:
    """What entities' offsets count in."""
    text = message.get("text", message.get("caption"))
    return None if text is None else str(text)


def _entities(message: Json) -> list[tuple[Json, str]]:
    """Each entity with the text it covers, cut to what a name or a command may have: entities may overlap."""
    encoded = (_own_text(message) or "").encode("utf-16-le", "surrogatepass")
    listed = message.get("entities") or message.get("caption_entities") or []
    return [
        (
            entity,
            encoded[entity["offset"] * 2 : (entity["offset"] + min(entity["length"], _LONGEST_NAME)) * 2].decode(
                "utf-16-le", "replace"
            ),
        )
        for entity in listed
    ]


def _command(message: Json, entities: list[tuple[Json, str]], bot: Bot) -> Command | None:
    """A command at the very beginning that isn't addressed to another bot."""
    for entity, covered in entities:
        if entity["type"] == "bot_command" and entity["offset"] == 0:
            name, _, addressee = covered[1:].partition("@")
            if addressee and not bot.is_named(addressee):
                return None
            arguments = (_own_text(message) or "")[len(covered) :].strip()
            return Command(name=name.lower(), arguments=clean(arguments))
    return None


def _mentions(entities: list[tuple[Json, str]]) -> tuple[PersonKey, ...]:
    """Only `text_mention` carries an id; `@name` of others can't be resolved by a bot."""
    return tuple(
        keys.telegram_person(entity["user"]["id"]) for entity, _ in entities if entity["type"] == "text_mention"
    )


def _mentions_us(message: Json, entities: list[tuple[Json, str]], bot: Bot) -> bool:
    """Our name isn't waited for where it decides nothing: in a reply to us, and in a dialog, which is all to us."""
    replied = (message.get("reply_to_message") or {}).get("from") or {}
    if replied.get("id") == bot.id:
        return True
    if bot.username is None and message["chat"]["type"] == "private":
        return False
    return any(entity["type"] == "mention" and bot.is_named(covered[1:]) for entity, covered in entities)


def _thread(message: Json) -> str | None:
    """A forum topic's id; messages of the General topic have none."""
    return (
        str(message["message_thread_id"])
        if message.get("is_topic_message") and "message_thread_id" in message
        else None
    )


def _reply_to(message: Json, channel: Channel) -> keys.MessageKey | None:
    """In a topic every message may point at the topic's first one: that is no answer to it."""
    replied: Json | None = message.get("reply_to_message")
    if replied is None or (
        message.get("is_topic_message") and replied["message_id"] == message.get("message_thread_id")
    ):
        return None
    return keys.message_key(channel.key, replied["message_id"])


def _our_post_at(message: Json, bot: Bot) -> datetime | None:
    """When the message that this one replies to was posted, if the bot did it. An inaccessible message's date is 0."""
    replied: Json = message.get("reply_to_message") or {}
    date = replied.get("date")
    return _time(date) if date and (replied.get("from") or {}).get("id") == bot.id else None


def _attachments(message: Json) -> tuple[Attachment, ...]:
    """Each file once: an animation is told as a document too."""
    found = [message[name] for name in FILES if name in message]
    if photos := message.get("photo"):
        found.append({**photos[-1], "mime_type": "image/jpeg"})
    return tuple(
        Attachment(
            id=file["file_id"], name=file.get("file_name"), media_type=file.get("mime_type"), size=file.get("file_size")
        )
        for file in {file["file_id"]: file for file in found}.values()
    )


def _reaction_names(reactions: list[Json]) -> dict[str, None]:
    """Each once, in order."""
    return dict.fromkeys(str(item.get("emoji") or item.get("custom_emoji_id") or item["type"]) for item in reactions)


def _time(date: int) -> datetime:
    return datetime.fromtimestamp(date, UTC)


_READERS: dict[str, Callable[[Json, Bot, datetime], Parsed]] = {
    "message": _message,
    "channel_post": _message,
    "edited_message": _edited,
    "edited_channel_post": _edited,
    "callback_query": _button,
}
