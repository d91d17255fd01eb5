"""A call in hand, and the questions that most methods ask first.

Invariant: a chat that `writable_chat` returns may be written to by this bot now; every reason against it has its own
refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sandbox.telegram.errors import bad_request, forbidden, migrated, too_many_requests
from sandbox.telegram.groups import Groups
from sandbox.telegram.platform import Platform
from sandbox.telegram.world import BotIdentity, Chat, Message


@dataclass(frozen=True, slots=True)
class Result:
    """A result that comes with a description (setWebhook)."""

    value: Any
    description: str


@dataclass(frozen=True, slots=True)
class Call:
    """A method's checked arguments, the bot that calls and the platform it acts upon."""

    platform: Platform
    bot: BotIdentity
    arguments: dict[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        return self.arguments.get(name, default)

    @property
    def groups(self) -> Groups:
        """What bots do as people do: post, open and close topics."""
        return Groups(self.platform)

    def find_chat(self, chat_id: int | str | None) -> Chat:
        """The chat, as far as the bot can know of it."""
        if chat_id is None or chat_id == "":
            raise bad_request("chat_id is empty")
        chat = self.platform.world.chat(chat_id, self.bot.id) if isinstance(chat_id, int) else None
        if chat is not None and self.bot.id in chat.members:
            return chat
        person = self.platform.world.people.get(chat_id) if isinstance(chat_id, int) else None
        if person is not None and self._shares_group_with(person.id):
            raise forbidden("bot can't initiate conversation with a user")
        raise bad_request("chat not found")

    def _shares_group_with(self, user_id: int) -> bool:
        return any(
            self.bot.id in chat.members and user_id in chat.members
            for chat in self.platform.world.chats()
            if not chat.is_private
        )

    def accessible_chat(self) -> Chat:
        """The chat of `chat_id` if the bot is in it."""
        chat = self.find_chat(self.get("chat_id"))
        if chat.migrated_to is not None:
            raise migrated(chat.migrated_to)
        status = chat.status(self.bot.id)
        if chat.person is not None:
            if chat.person.deactivated:
                raise forbidden("user is deactivated")
            if status == "kicked":
                raise forbidden("bot was blocked by the user")
        elif status == "kicked":
            raise forbidden(f"bot was kicked from the {chat.type} chat")
        elif status == "left":
            raise forbidden(f"bot is not a member of the {chat.type} chat")
        return chat

    def writable_chat(self) -> Chat:
        """The chat of `chat_id` if the bot may write there."""
        chat = self.accessible_chat()
        if chat.is_private and not chat.started:
            raise forbidden("bot can't initiate conversation with a user")
        return chat

    def message(self, chat: Chat, purpose: str) -> Message:
        """The message of `message_id`; `purpose` is the verb of the refusal."""
        message_id = self.get("message_id")
        if message_id is None:
            raise bad_request("message identifier is not specified")
        message = chat.message(message_id)
        if message is None:
            raise bad_request(f"message to {purpose} not found")
        return message

    def throttle(self, chat: Chat) -> None:
        """Count a message to the chat, or refuse it."""
        if wait := self.platform.throttle(self.bot, chat):
            raise too_many_requests(wait)

    def show(self, chat: Chat, message: Message) -> dict[str, Any]:
        return self.platform.show(chat, message)


Handler = Callable[[Call], Awaitable[Any]]
