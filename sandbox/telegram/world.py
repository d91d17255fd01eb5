"""Who and what exists in the simulated Telegram: people, bots, chats, topics, messages.

Invariant: the world is what people see. It knows nothing of HTTP, updates or limits; a message id is unique in its
chat and never given twice, and a deleted message is gone for people although tests may still ask for it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, Literal

ChatType = Literal["private", "group", "supergroup"]
Status = Literal["creator", "administrator", "member", "left", "kicked"]
GENERAL_TOPIC = 1
DEFAULT_ICON_COLOR = 0x6FB9F0
FIRST_PERSON = 1_000_000_001
FIRST_GROUP = 4_000_000_001
FIRST_SUPERGROUP = 1_001_000_000_001


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """A bot: `privacy` is BotFather's group privacy mode (on: groups deliver only what is meant for the bot)."""

    id: int = 7700
    token: str = "7700:sandbox-bot-token"  # noqa: S105 - a token that opens the sandbox alone
    username: str = "okno_support_bot"
    first_name: str = "Okno"
    privacy: bool = True

    def user(self) -> dict[str, Any]:
        """The bot as a `User`."""
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}


@dataclass(slots=True)
class Person:
    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = "en"
    deactivated: bool = False

    def user(self) -> dict[str, Any]:
        """The person as a `User`."""
        user: dict[str, Any] = {"id": self.id, "is_bot": False, "first_name": self.first_name}
        for name in ("last_name", "username", "language_code"):
            if value := getattr(self, name):
                user[name] = value
        return user


@dataclass(slots=True)
class Topic:
    """A forum topic; its id is the message id of the service message that opened it."""

    id: int
    name: str
    icon_color: int = DEFAULT_ICON_COLOR
    closed: bool = False
    deleted: bool = False


@dataclass(slots=True)
class Message:
    """A message as it now is. `content` holds the `Message` fields that make it up (text, entities, document, ...)."""

    id: int
    date: int
    sender: dict[str, Any]
    content: dict[str, Any]
    thread_id: int | None = None
    reply_to: int | None = None
    external_reply: dict[str, Any] | None = None
    quote: dict[str, Any] | None = None
    markup: dict[str, Any] | None = None
    edit_date: int | None = None
    deleted: bool = False
    service: bool = False
    reactions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def sender_id(self) -> int:
        return int(self.sender["id"])


@dataclass(slots=True)
class Chat:
    """A chat and what was said in it. A private chat has the id of its person; each bot has its own with them."""

    id: int
    type: ChatType
    title: str | None = None
    person: Person | None = None
    is_forum: bool = False
    members: dict[int, Status] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    migrated_to: int | None = None
    last_bot: int | None = None
    """The bot that spoke last, if nobody spoke after it."""
    started: bool = False
    """In a private chat: the person has written to the bot, so the bot may write."""
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def is_private(self) -> bool:
        return self.type == "private"

    def status(self, user_id: int) -> Status:
        return self.members.get(user_id, "left")

    def is_admin(self, user_id: int) -> bool:
        return self.status(user_id) in {"creator", "administrator"}

    def message(self, message_id: int | None) -> Message | None:
        """The message if people still see it."""
        found = self.messages.get(message_id) if message_id is not None else None
        return None if found is None or found.deleted else found

    def summary(self) -> dict[str, Any]:
        """The chat as the `Chat` inside a message."""
        if self.person is not None:
            user = self.person.user()
            kept = ("first_name", "last_name", "username")
            names: dict[str, Any] = {name: user[name] for name in kept if name in user}
            return {"id": self.id, **names, "type": "private"}
        chat: dict[str, Any] = {"id": self.id, "title": self.title, "type": self.type}
        if self.is_forum:
            chat["is_forum"] = True
        return chat


class World:
    """All chats and people. Private chats are told apart by bot."""

    def __init__(self, bots: dict[int, BotIdentity], *, first: int = 0) -> None:
        self.bots = bots
        self.people: dict[int, Person] = {}
        self._chats: dict[tuple[int, int], Chat] = {}
        self.first = first
        self._person_ids = itertools.count(FIRST_PERSON + first)
        self._group_ids = itertools.count(FIRST_GROUP + first)
        self._supergroup_ids = itertools.count(FIRST_SUPERGROUP + first)

    def add_person(
        self,
        first_name: str,
        *,
        user_id: int | None = None,
        last_name: str | None = None,
        username: str | None = None,
        language_code: str | None = "en",
    ) -> Person:
        if user_id is None:
            user_id = next(i for i in self._person_ids if i not in self.people)
        person = Person(user_id, first_name, last_name, username, language_code)
        self.people[user_id] = person
        return person

    def new_chat_id(self, kind: ChatType) -> int:
        """Groups have small negative ids, supergroups begin with -100."""
        ids = self._group_ids if kind == "group" else self._supergroup_ids
        return next(-i for i in ids if (0, -i) not in self._chats)

    def add_chat(self, chat: Chat, bot_id: int = 0) -> Chat:
        """Groups belong to no bot (0), private chats to one."""
        chat.ids = itertools.count(1 + self.first)
        self._chats[(bot_id if chat.is_private else 0, chat.id)] = chat
        return chat

    def chat(self, chat_id: int, bot_id: int) -> Chat | None:
        """The chat of this id as this bot would mean it."""
        return self._chats.get((bot_id if chat_id > 0 else 0, chat_id))

    def chats(self, bot_id: int | None = None) -> list[Chat]:
        """Every chat; with `bot_id`, without other bots' private ones."""
        return [chat for (owner, _), chat in self._chats.items() if bot_id is None or owner in {0, bot_id}]


def message_json(
    chat: Chat, message: Message, *, topic_root_replies: bool = True, nested: bool = False
) -> dict[str, Any]:
    """The message as the Bot API shows it; a replied-to message is shown one level deep."""
    shown: dict[str, Any] = {
        "message_id": message.id,
        "from": message.sender,
        "chat": chat.summary(),
        "date": message.date,
    }
    if message.thread_id is not None and message.thread_id != GENERAL_TOPIC:
        shown["message_thread_id"] = message.thread_id
        if chat.is_forum:
            shown["is_topic_message"] = True
    if message.edit_date is not None:
        shown["edit_date"] = message.edit_date
    if not nested:
        replied = message.reply_to
        if replied is None and topic_root_replies and chat.is_forum and not message.service:
            replied = message.thread_id
        original = chat.messages.get(replied) if replied is not None else None
        if original is not None:
            shown["reply_to_message"] = message_json(chat, original, nested=True)
        if message.external_reply is not None:
            shown["external_reply"] = message.external_reply
        if message.quote is not None:
            shown["quote"] = message.quote
    shown.update(message.content)
    if message.markup is not None and "inline_keyboard" in message.markup:
        shown["reply_markup"] = message.markup
    return shown
