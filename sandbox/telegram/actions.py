"""What people do: write, edit, delete, react, press, block.

Invariant: an action changes the world, then tells the bots and the subscribers; it is refused (`ControlError`) when a
person could not do it in a Telegram client. A deletion tells no bot: outside business chats Telegram has no such
update.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from sandbox.telegram import entities
from sandbox.telegram.errors import ApiError, ControlError
from sandbox.telegram.views import message_view
from sandbox.telegram.visibility import bots_in
from sandbox.telegram.world import DEFAULT_ICON_COLOR, GENERAL_TOPIC, Chat, ChatType, Message, Person, Status, Topic

if TYPE_CHECKING:
    from sandbox.telegram.simulation import Simulation

CHAT_INSTANCE = "8134722200314281151"


class Actions:
    """Everything a tester or the page does on behalf of a person."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._callback_ids = itertools.count(1 + simulation.world.first * 1000)

    # --- looking up -----------------------------------------------------------------------------------------------

    def person(self, user_id: int) -> Person:
        try:
            return self._simulation.world.people[user_id]
        except KeyError:
            raise ControlError(f"no user {user_id}", status=404) from None

    def chat(self, chat_id: int, bot_id: int | None = None) -> Chat:
        chat = self._simulation.world.chat(chat_id, self._simulation.bot(bot_id).id)
        if chat is None:
            raise ControlError(f"no chat {chat_id}", status=404)
        return chat

    def message(self, chat: Chat, message_id: int) -> Message:
        message = chat.message(message_id)
        if message is None:
            raise ControlError(f"no message {message_id} in chat {chat.id}", status=404)
        return message

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
        if chat.is_private and chat.status(self._simulation.bot(bot_id).id) == "kicked":
            raise ControlError("the user has blocked the bot; unblock it first")
        whole = {**(_text(text) if text is not None else {}), **(content or {})}
        if not whole:
            raise ControlError("a message needs a text or a file")
        chat.started = True
        message = self.post(chat, person.user(), whole, reply_to=reply_to, topic=topic, at=at)
        self._simulation.tell_bots(chat, "message", message)
        chat.last_bot = None
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
            date=int(self._simulation.clock.now() if at is None else at),
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
        self._simulation.publish(event, chat_id=chat.id, message=message_view(chat, message))

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
        message.edit_date = int(self._simulation.clock.now() if at is None else at)
        self.told("edit", chat, message)
        self._simulation.tell_bots(chat, "edited_message", message)
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
            "date": int(self._simulation.clock.now() if at is None else at),
            "old_reaction": before,
            "new_reaction": after,
        }
        for bot in bots_in(self._simulation.world, chat):
            if chat.is_private or chat.is_admin(bot.id):
                self._simulation.feed(bot.id).add("message_reaction", payload, chat_id=chat.id)
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
        self._simulation.callbacks[query] = {
            "bot_id": owner,
            "expires_at": self._simulation.clock.elapsed() + 150.0,
            "answer": None,
        }
        payload = {
            "id": query,
            "from": person.user(),
            "message": self._simulation.show(chat, message),
            "chat_instance": CHAT_INSTANCE,
            "data": data,
        }
        self._simulation.feed(owner).add("callback_query", payload, chat_id=chat.id, queue_id=user_id)
        self._simulation.publish(
            "press", chat_id=chat.id, message_id=message_id, user_id=user_id, data=data, callback_query_id=query
        )
        return query

    # --- dialogs --------------------------------------------------------------------------------------------------

    def open_dialog(self, user_id: int, bot_id: int | None = None) -> Chat:
        """The person's private chat with the bot. The bot may not write there before the person did."""
        person, bot = self.person(user_id), self._simulation.bot(bot_id)
        chat = self._simulation.world.chat(user_id, bot.id)
        if chat is None:
            chat = Chat(user_id, "private", person=person, members={user_id: "member", bot.id: "member"})
            self._simulation.world.add_chat(chat, bot.id)
            self._simulation.publish("chat", chat_id=chat.id, bot_id=bot.id, chat=chat.summary())
        return chat

    def block(self, user_id: int, *, blocked: bool, bot_id: int | None = None) -> Chat:
        """Block or unblock the bot in a private chat."""
        chat = self.open_dialog(user_id, bot_id)
        self.set_member(
            chat, self._simulation.bot(bot_id).id, "kicked" if blocked else "member", by=self.person(user_id)
        )
        return chat

    # --- groups ---------------------------------------------------------------------------------------------------

    def set_member(self, chat: Chat, member_id: int, status: Status, *, by: Person) -> None:
        """Change somebody's membership and tell the bots: my_chat_member about themselves, chat_member about others."""
        before = chat.status(member_id)
        chat.members[member_id] = status
        self._simulation.publish("member", chat_id=chat.id, user_id=member_id, old=before, new=status)
        if before == status:
            return
        bot = self._simulation.bots.get(member_id)
        user = bot.user() if bot is not None else self.person(member_id).user()
        payload = {
            "chat": chat.summary(),
            "from": by.user(),
            "date": int(self._simulation.clock.now()),
            "old_chat_member": chat_member(user, before),
            "new_chat_member": chat_member(user, status),
        }
        if bot is not None:
            self._simulation.feed(bot.id).add("my_chat_member", payload, chat_id=chat.id)
            return
        for other in bots_in(self._simulation.world, chat):
            if chat.is_admin(other.id):
                self._simulation.feed(other.id).add("chat_member", payload, chat_id=chat.id)

    def service(
        self, chat: Chat, sender: dict[str, Any], content: dict[str, Any], *, topic: int | None = None
    ) -> Message:
        """A service message, delivered to the bots whatever their privacy mode."""
        message = self.post(chat, sender, content, topic=topic, service=True)
        self._simulation.tell_bots(chat, "message", message)
        return message

    def open_topic(self, chat: Chat, sender: dict[str, Any], name: str, *, icon_color: int | None = None) -> Topic:
        """Open a forum topic; its service message is the first of the topic and gives it its id."""
        topic = Topic(0, name, DEFAULT_ICON_COLOR if icon_color is None else icon_color)
        content = {"forum_topic_created": {"name": name, "icon_color": topic.icon_color}}
        message = self.post(chat, sender, content, service=True, opens_topic=True)
        topic.id = message.id
        chat.topics[topic.id] = topic
        self._simulation.tell_bots(chat, "message", message)
        return topic

    def close_topic(self, chat: Chat, sender: dict[str, Any], topic: Topic, *, closed: bool) -> Message:
        topic.closed = closed
        return self.service(chat, sender, {f"forum_topic_{'closed' if closed else 'reopened'}": {}}, topic=topic.id)

    def rename_topic(self, chat: Chat, sender: dict[str, Any], topic: Topic, name: str) -> Message:
        topic.name = name
        return self.service(chat, sender, {"forum_topic_edited": {"name": name}}, topic=topic.id)

    def create_group(
        self,
        title: str,
        *,
        creator: Person,
        kind: ChatType = "supergroup",
        is_forum: bool = False,
        chat_id: int | None = None,
        bot_status: Status = "member",
        bot_id: int | None = None,
    ) -> Chat:
        """A group with its creator and the bot (as `bot_status` says)."""
        if is_forum and kind != "supergroup":
            raise ControlError("only supergroups can be forums")
        world = self._simulation.world
        if chat_id is None:
            chat_id = world.new_chat_id(kind)
        elif chat_id >= 0 or world.chat(chat_id, 0) is not None:
            raise ControlError(f"chat id {chat_id} is taken or not negative")
        chat = world.add_chat(Chat(chat_id, kind, title, is_forum=is_forum, members={creator.id: "creator"}))
        self._simulation.publish("chat", chat_id=chat.id, bot_id=None, chat=chat.summary())
        if bot_status != "left":
            self.set_member(chat, self._simulation.bot(bot_id).id, bot_status, by=creator)
        return chat

    def migrate(self, chat_id: int, *, by: Person) -> Chat:
        """Upgrade a group to a supergroup: a new chat with a new id; the old one takes no more messages."""
        old = self.chat(chat_id)
        if old.type != "group" or old.migrated_to is not None:
            raise ControlError(f"chat {chat_id} is no group that can be upgraded")
        new = Chat(self._simulation.world.new_chat_id("supergroup"), "supergroup", old.title, members=dict(old.members))
        self._simulation.world.add_chat(new)
        self.service(old, by.user(), {"migrate_to_chat_id": new.id})
        old.migrated_to = new.id
        self._simulation.publish("chat", chat_id=new.id, bot_id=None, chat=new.summary())
        self.service(new, by.user(), {"migrate_from_chat_id": old.id})
        return new

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


def chat_member(user: dict[str, Any], status: Status) -> dict[str, Any]:
    """A ChatMember; PTB refuses one without the fields that its status requires."""
    member: dict[str, Any] = {"user": user, "status": status}
    if status == "kicked":
        member["until_date"] = 0
    if status in {"creator", "administrator"}:
        member["is_anonymous"] = False
    if status == "administrator":
        member |= dict.fromkeys(ADMIN_RIGHTS, True) | {"can_be_edited": False}
    return member


ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_pin_messages",
    "can_manage_topics",
)
