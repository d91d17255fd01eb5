"""Chats and messages as people see them: what the control API and the page show.

Invariant: views never change the world and hold plain JSON values only.
"""

from __future__ import annotations

from typing import Any

from sandbox.telegram.world import Chat, Message


def message_view(chat: Chat, message: Message) -> dict[str, Any]:
    """One message: who, when, what, in which topic, as an answer to what, with which buttons and reactions."""
    sender = message.sender
    name = " ".join(filter(None, (sender.get("first_name"), sender.get("last_name"))))
    content = message.content
    view: dict[str, Any] = {
        "chat_id": chat.id,
        "message_id": message.id,
        "from": {"id": sender["id"], "name": name, "username": sender.get("username"), "is_bot": sender["is_bot"]},
        "date": message.date,
        "edit_date": message.edit_date,
        "text": content.get("text", content.get("caption")),
        "entities": content.get("entities", content.get("caption_entities", [])),
        "thread_id": message.thread_id,
        "reply_to": message.reply_to,
        "service": message.service,
        "deleted": message.deleted,
        "buttons": (message.markup or {}).get("inline_keyboard", []),
        "reactions": {
            str(user): [reaction.get("emoji") for reaction in reactions]
            for user, reactions in message.reactions.items()
        },
    }
    attached = {n: v for n, v in content.items() if n not in {"text", "entities", "caption", "caption_entities"}}
    if attached:
        view["content"] = attached
    return view


def chat_view(chat: Chat, bot_id: int) -> dict[str, Any]:
    """One chat: title, kind, topics, members, and its last visible message."""
    last = next((message for message in reversed(chat.messages.values()) if not message.deleted), None)
    return {
        **chat.summary(),
        "bot_status": chat.status(bot_id),
        "started": chat.started,
        "migrated_to": chat.migrated_to,
        "members": {str(member): status for member, status in chat.members.items()},
        "topics": [
            {"id": topic.id, "name": topic.name, "closed": topic.closed}
            for topic in chat.topics.values()
            if not topic.deleted
        ],
        "last_message": message_view(chat, last) if last else None,
    }
