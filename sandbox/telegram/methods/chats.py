"""Asking about chats and their members, and saying that one is typing.

Invariant: nothing here changes the world.
"""

from __future__ import annotations

from typing import Any

from sandbox.telegram.errors import bad_request
from sandbox.telegram.groups import chat_member
from sandbox.telegram.methods.call import Call, Handler
from sandbox.telegram.methods.content import topic_of

CHAT_ACTIONS = frozenset(
    {
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)
GIFTS = {
    "unlimited_gifts": False,
    "limited_gifts": False,
    "unique_gifts": False,
    "premium_subscription": False,
    "gifts_from_channels": False,
}


async def get_chat(call: Call) -> dict[str, Any]:
    chat = call.find_chat(call.get("chat_id"))
    return {**chat.summary(), "accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": GIFTS}


async def get_chat_member(call: Call) -> dict[str, Any]:
    chat = call.accessible_chat()
    user_id = call.get("user_id")
    bot = call.platform.bots.get(user_id)
    person = call.platform.world.people.get(user_id)
    if bot is None and person is None:
        raise bad_request("user not found")
    user = bot.user() if bot is not None else person.user() if person is not None else {}
    return chat_member(user, chat.status(user_id))


async def send_chat_action(call: Call) -> bool:
    """Shown for five seconds or until a message comes; nobody is told but the page."""
    chat = call.writable_chat()
    action = call.get("action")
    if action not in CHAT_ACTIONS:
        raise bad_request("wrong parameter action in request")
    topic = topic_of(call, chat, None)
    call.platform.publish("action", chat_id=chat.id, thread_id=topic, bot_id=call.bot.id, action=action)
    return True


HANDLERS: dict[str, Handler] = {
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "sendChatAction": send_chat_action,
}
