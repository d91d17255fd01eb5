"""Groups: who is in them, their topics, and their upgrade to a supergroup.

Invariant: a bot learns of its own membership in any chat, of others' only as an administrator; the service messages
of a group reach every bot in it.
"""

from __future__ import annotations

from typing import Any

from sandbox.telegram.errors import ControlError
from sandbox.telegram.posting import Posting
from sandbox.telegram.visibility import bots_in
from sandbox.telegram.world import DEFAULT_ICON_COLOR, Chat, ChatType, Message, Person, Status, Topic

OUTSIDE = frozenset({"left", "kicked"})
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


class Groups(Posting):
    """What may be done with a group."""

    def set_member(self, chat: Chat, member_id: int, status: Status, *, by: Person) -> None:
        """Change somebody's membership and tell the bots: my_chat_member about themselves, chat_member about others."""
        before = chat.status(member_id)
        chat.members[member_id] = status
        self._platform.publish("member", chat_id=chat.id, user_id=member_id, old=before, new=status)
        if before == status:
            return
        bot = self._platform.bots.get(member_id)
        user = bot.user() if bot is not None else self.person(member_id).user()
        self._tell_of_member(chat, user, before, status, by=by)
        if not chat.is_private and (before in OUTSIDE) != (status in OUTSIDE):
            content = {"left_chat_member": user} if status in OUTSIDE else {"new_chat_members": [user]}
            self.service(chat, by.user(), content)

    def _tell_of_member(self, chat: Chat, user: dict[str, Any], before: Status, status: Status, *, by: Person) -> None:
        bot = self._platform.bots.get(user["id"])
        payload = {
            "chat": chat.summary(),
            "from": by.user(),
            "date": int(self._platform.clock.now()),
            "old_chat_member": chat_member(user, before),
            "new_chat_member": chat_member(user, status),
        }
        if bot is not None:
            self._platform.feed(bot.id).add("my_chat_member", payload, chat_id=chat.id)
            return
        for other in bots_in(self._platform.world, chat):
            if chat.is_admin(other.id):
                self._platform.feed(other.id).add("chat_member", payload, chat_id=chat.id)

    def open_topic(self, chat: Chat, sender: dict[str, Any], name: str, *, icon_color: int | None = None) -> Topic:
        """Open a forum topic; its service message is the first of the topic and gives it its id."""
        topic = Topic(0, name, DEFAULT_ICON_COLOR if icon_color is None else icon_color)
        content = {"forum_topic_created": {"name": name, "icon_color": topic.icon_color}}
        message = self.post(chat, sender, content, service=True, opens_topic=True)
        topic.id = message.id
        chat.topics[topic.id] = topic
        self._platform.tell_bots(chat, "message", message)
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
        world = self._platform.world
        if chat_id is None:
            chat_id = world.new_chat_id(kind)
        elif chat_id >= 0 or world.chat(chat_id, 0) is not None:
            raise ControlError(f"chat id {chat_id} is taken or not negative")
        chat = world.add_chat(Chat(chat_id, kind, title, is_forum=is_forum, members={creator.id: "creator"}))
        self._platform.publish("chat", chat_id=chat.id, bot_id=None, chat=chat.summary())
        if bot_status != "left":
            self.set_member(chat, self._platform.bot(bot_id).id, bot_status, by=creator)
        return chat

    def migrate(self, chat_id: int, *, by: Person) -> Chat:
        """Upgrade a group to a supergroup: a new chat with a new id; the old one takes no more messages."""
        old = self.chat(chat_id)
        if old.type != "group" or old.migrated_to is not None:
            raise ControlError(f"chat {chat_id} is no group that can be upgraded")
        new = Chat(self._platform.world.new_chat_id("supergroup"), "supergroup", old.title, members=dict(old.members))
        self._platform.world.add_chat(new)
        self.service(old, by.user(), {"migrate_to_chat_id": new.id})
        old.migrated_to = new.id
        self._platform.publish("chat", chat_id=new.id, bot_id=None, chat=new.summary())
        self.service(new, by.user(), {"migrate_from_chat_id": old.id})
        return new


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
