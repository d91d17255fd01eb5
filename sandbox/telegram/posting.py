"""Putting messages into chats: what people, bots and Telegram itself have in common.

Invariant: a message is in its chat before anybody is told of it.
"""

from __future__ import annotations

from typing import Any

from sandbox.telegram.errors import ControlError
from sandbox.telegram.platform import Platform
from sandbox.telegram.views import message_view
from sandbox.telegram.world import GENERAL_TOPIC, Chat, Message, Person


class Posting:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def person(self, user_id: int) -> Person:
        try:
            return self._platform.world.people[user_id]
        except KeyError:
            raise ControlError(f"no user {user_id}", status=404) from None

    def chat(self, chat_id: int, bot_id: int | None = None) -> Chat:
        chat = self._platform.world.chat(chat_id, self._platform.bot(bot_id).id)
        if chat is None:
            raise ControlError(f"no chat {chat_id}", status=404)
        return chat

    def message(self, chat: Chat, message_id: int) -> Message:
        message = chat.message(message_id)
        if message is None:
            raise ControlError(f"no message {message_id} in chat {chat.id}", status=404)
        return message

    def post(
        self,
        chat: Chat,
        sender: dict[str, Any],
        content: dict[str, Any],
        *,
        reply_to: int | None = None,
        topic: int | None = None,
        at: float | None = None,
        service: bool = False,
        opens_topic: bool = False,
        markup: dict[str, Any] | None = None,
        external_reply: dict[str, Any] | None = None,
        quote: dict[str, Any] | None = None,
    ) -> Message:
        """Put a message into the chat and tell the subscribers (not the bots)."""
        message = Message(
            id=next(chat.ids),
            date=int(self._platform.clock.now() if at is None else at),
            sender=sender,
            content=content,
            thread_id=None if topic == GENERAL_TOPIC else topic,
            reply_to=reply_to,
            service=service,
            markup=markup,
            external_reply=external_reply,
            quote=quote,
        )
        if opens_topic:
            message.thread_id = message.id
        chat.messages[message.id] = message
        if sender["is_bot"] and not service:
            chat.last_bot = message.sender_id
        self.told("message", chat, message)
        return message

    def told(self, event: str, chat: Chat, message: Message) -> None:
        """Tell the subscribers of a message as people see it."""
        self._platform.publish(event, chat_id=chat.id, message=message_view(chat, message))

    def service(
        self, chat: Chat, sender: dict[str, Any], content: dict[str, Any], *, topic: int | None = None
    ) -> Message:
        """A service message, delivered to the bots whatever their privacy mode."""
        message = self.post(chat, sender, content, topic=topic, service=True)
        self._platform.tell_bots(chat, "message", message)
        return message
