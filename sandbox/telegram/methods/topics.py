"""Forum topics, made and changed by a bot that is an administrator.

Invariant: a topic's id is the message id of the service message that opened it.
"""

from __future__ import annotations

from typing import Any

from sandbox.telegram.errors import bad_request
from sandbox.telegram.methods.call import Call, Handler
from sandbox.telegram.world import Chat, Topic

MAX_NAME = 128


def _forum(call: Call) -> Chat:
    chat = call.accessible_chat()
    if not chat.is_forum:
        raise bad_request("the chat is not a forum")
    if not chat.is_admin(call.bot.id):
        raise bad_request("not enough rights to manage topics")
    return chat


def _topic(call: Call, chat: Chat) -> Topic:
    topic = chat.topics.get(call.get("message_thread_id"))
    if topic is None or topic.deleted:
        raise bad_request("message thread not found")
    return topic


async def create_forum_topic(call: Call) -> dict[str, Any]:
    chat = _forum(call)
    name = call.get("name").strip()
    if not name:
        raise bad_request("topic name is empty")
    if len(name) > MAX_NAME:
        raise bad_request("topic name is too long")
    topic = call.groups.open_topic(chat, call.bot.user(), name, icon_color=call.get("icon_color"))
    return {"message_thread_id": topic.id, "name": topic.name, "icon_color": topic.icon_color}


async def close_forum_topic(call: Call) -> bool:
    chat = _forum(call)
    topic = _topic(call, chat)
    if topic.closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    call.groups.close_topic(chat, call.bot.user(), topic, closed=True)
    return True


async def reopen_forum_topic(call: Call) -> bool:
    chat = _forum(call)
    topic = _topic(call, chat)
    if not topic.closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    call.groups.close_topic(chat, call.bot.user(), topic, closed=False)
    return True


HANDLERS: dict[str, Handler] = {
    "createForumTopic": create_forum_topic,
    "closeForumTopic": close_forum_topic,
    "reopenForumTopic": reopen_forum_topic,
}
