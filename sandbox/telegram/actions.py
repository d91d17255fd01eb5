"""What people do: write, edit, delete, react, press, block.

Invariant: an action changes the world, then tells the bots and the subscribers; it is refused (`ControlError`) when a
person could not do it in a Telegram client. A deletion tells no bot: outside business chats Telegram has no such
update.
"""

from __future__ import annotations

import itertools
from typing import Any

from sandbox.telegram import entities
from sandbox.telegram.errors import ApiError, ControlError
from sandbox.telegram.groups import Groups
from sandbox.telegram.platform import Platform
from sandbox.telegram.visibility import bots_in
from sandbox.telegram.world import GENERAL_TOPIC, Chat, Message, Person, Topic

CHAT_INSTANCE = "8134722200314281151"


class Actions(Groups):
    """Everything a tester or the page does on behalf of a person."""

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform)
        self._callback_ids = itertools.count(1 + platform.world.first * 1000)

    # --- messages -------------------------------------------------------------------------------------------------

    def send(
        self,
        user_id: int,
        chat_id: int | None = None,
        *,
        text: str | None = None,
        reply_to: int | None = None,
        topic: int | None = None,
        at: float | None = None,
        bot_id: int | None = None,
        content: dict[str, Any] | None = None,
    ) -> Message:
        """Post as a person; without a chat, in their dialog with the bot (opened if need be)."""
        person = self.person(user_id)
        if person.deactivated:
            raise ControlError(f"user {user_id} is deactivated")
        chat = self.open_dialog(user_id, bot_id) if chat_id in {None, user_id} else self.chat(int(chat_id or 0), bot_id)
        self._check_may_write(chat, person)
        if reply_to is not None:
            replied = self.message(chat, reply_to)
            topic = topic if topic is not None else replied.thread_id
        self._check_topic(chat, topic)
        if chat.is_private and chat.status(self._platform.bot(bot_id).id) == "kicked":
            raise ControlError("the user has blocked the bot; unblock it first")
        whole = {**(_text(text) if text is not None else {}), **(content or {})}
        if not whole:
            raise ControlError("a message needs a text or a file")
        chat.started = True
        message = self.post(chat, person.user(), whole, reply_to=reply_to, topic=topic, at=at)
        self._platform.tell_bots(chat, "message", message)
        chat.last_bot = None
        return message

    def edit(
        self, chat_id: int, message_id: int, text: str, *, at: float | None = None, bot_id: int | None = None
    ) -> Message:
        """Change the text (or the caption) of a person's message. An unchanged text is delivered as an edit too,
        as when Telegram adds a link preview.
        """
        chat = self.chat(chat_id, bot_id)
        message = self.message(chat, message_id)
        if message.sender["is_bot"] or message.service:
            raise ControlError("people can edit their own messages only")
        replaced = _text(text)
        if "text" not in message.content:
            replaced = {f"caption{'_' + name if name != 'text' else ''}": value for name, value in replaced.items()}
        kept = {
            n: v for n, v in message.content.items() if n not in {"text", "entities", "caption", "caption_entities"}
        }
        message.content = {**kept, **replaced}
        message.edit_date = int(self._platform.clock.now() if at is None else at)
        self.told("edit", chat, message)
        self._platform.tell_bots(chat, "edited_message", message)
        return message

    def delete(self, chat_id: int, message_id: int, *, bot_id: int | None = None) -> Message:
        """Delete for everyone. No bot is told."""
        chat = self.chat(chat_id, bot_id)
        message = self.message(chat, message_id)
        message.deleted = True
        self.told("delete", chat, message)
        return message

    def react(
        self,
        user_id: int,
        chat_id: int,
        message_id: int,
        emoji: list[str],
        *,
        at: float | None = None,
        bot_id: int | None = None,
    ) -> Message:
        """Set the person's reactions to a message (an empty list removes them)."""
        chat, person = self.chat(chat_id, bot_id), self.person(user_id)
        message = self.message(chat, message_id)
        before = message.reactions.get(user_id, [])
        after = [{"type": "emoji", "emoji": one} for one in emoji]
        if after:
            message.reactions[user_id] = after
        else:
            message.reactions.pop(user_id, None)
        self.told("reaction", chat, message)
        payload = {
            "chat": chat.summary(),
            "message_id": message.id,
            "user": person.user(),
            "date": int(self._platform.clock.now() if at is None else at),
            "old_reaction": before,
            "new_reaction": after,
        }
        for bot in bots_in(self._platform.world, chat):
            if chat.is_private or chat.is_admin(bot.id):
                self._platform.feed(bot.id).add("message_reaction", payload, chat_id=chat.id)
        return message

    def press(self, user_id: int, chat_id: int, message_id: int, data: str, *, bot_id: int | None = None) -> str:
        """Press an inline button; the id of the callback query."""
        chat, person = self.chat(chat_id, bot_id), self.person(user_id)
        message = self.message(chat, message_id)
        rows = (message.markup or {}).get("inline_keyboard", [])
        if not any(button.get("callback_data") == data for row in rows for button in row):
            raise ControlError(f"message {message_id} has no button with data {data!r}")
        query = str(next(self._callback_ids))
        owner = message.sender_id
        self._platform.callbacks[query] = {
            "bot_id": owner,
            "expires_at": self._platform.clock.elapsed() + 150.0,
            "answer": None,
        }
        payload = {
            "id": query,
            "from": person.user(),
            "message": self._platform.show(chat, message),
            "chat_instance": CHAT_INSTANCE,
            "data": data,
        }
        self._platform.feed(owner).add("callback_query", payload, chat_id=chat.id, queue_id=user_id)
        self._platform.publish(
            "press", chat_id=chat.id, message_id=message_id, user_id=user_id, data=data, callback_query_id=query
        )
        return query

    # --- dialogs --------------------------------------------------------------------------------------------------

    def open_dialog(self, user_id: int, bot_id: int | None = None) -> Chat:
        """The person's private chat with the bot. The bot may not write there before the person did."""
        person, bot = self.person(user_id), self._platform.bot(bot_id)
        chat = self._platform.world.chat(user_id, bot.id)
        if chat is None:
            chat = Chat(user_id, "private", person=person, members={user_id: "member", bot.id: "member"})
            self._platform.world.add_chat(chat, bot.id)
            self._platform.publish("chat", chat_id=chat.id, bot_id=bot.id, chat=chat.summary())
        return chat

    def block(self, user_id: int, *, blocked: bool, bot_id: int | None = None) -> Chat:
        """Block or unblock the bot in a private chat."""
        chat = self.open_dialog(user_id, bot_id)
        self.set_member(chat, self._platform.bot(bot_id).id, "kicked" if blocked else "member", by=self.person(user_id))
        return chat

    def _check_may_write(self, chat: Chat, person: Person) -> None:
        if chat.migrated_to is not None:
            raise ControlError(f"the group was upgraded; write to {chat.migrated_to}")
        if chat.status(person.id) in {"left", "kicked"}:
            raise ControlError(f"user {person.id} is not a member of chat {chat.id}")

    def _check_topic(self, chat: Chat, topic: int | None) -> Topic | None:
        if topic is None or (chat.is_forum and topic == GENERAL_TOPIC):
            return None
        found = chat.topics.get(topic)
        if found is None or found.deleted:
            raise ControlError(f"no topic {topic} in chat {chat.id}", status=404)
        if found.closed:
            raise ControlError(f"topic {topic} is closed")
        return found


def _text(text: str) -> dict[str, Any]:
    """What a client sends for a text; refused when a client would not send it."""
    try:
        return entities.finish(text, [])
    except ApiError as refusal:
        raise ControlError(refusal.description) from None
