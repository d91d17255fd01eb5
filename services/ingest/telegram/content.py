"""What a message of Telegram says where it has neither text nor caption, and which messages say nothing.

Only what is known for a service message is one: content of a kind that the Bot API adds later is a post too.
"""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

SERVICE = frozenset(
    [
        "new_chat_members",
        "left_chat_member",
        "chat_owner_left",
        "chat_owner_changed",
        "new_chat_title",
        "new_chat_photo",
        "delete_chat_photo",
        "group_chat_created",
        "supergroup_chat_created",
        "channel_chat_created",
        "message_auto_delete_timer_changed",
        "migrate_to_chat_id",
        "migrate_from_chat_id",
        "pinned_message",
        "successful_payment",
        "refunded_payment",
        "users_shared",
        "chat_shared",
        "gift",
        "unique_gift",
        "gift_upgrade_sent",
        "connected_website",
        "write_access_allowed",
        "passport_data",
        "proximity_alert_triggered",
        "boost_added",
        "chat_background_set",
        "checklist_tasks_done",
        "checklist_tasks_added",
        "direct_message_price_changed",
        "forum_topic_created",
        "forum_topic_edited",
        "forum_topic_closed",
        "forum_topic_reopened",
        "general_forum_topic_hidden",
        "general_forum_topic_unhidden",
        "giveaway_created",
        "giveaway_completed",
        "managed_bot_created",
        "paid_message_price_changed",
        "poll_option_added",
        "poll_option_deleted",
        "suggested_post_approved",
        "suggested_post_approval_failed",
        "suggested_post_declined",
        "suggested_post_paid",
        "suggested_post_refunded",
        "video_chat_scheduled",
        "video_chat_started",
        "video_chat_ended",
        "video_chat_participants_invited",
        "web_app_data",
    ]
)
"""The fields of "Message" (Bot API 10.1) that make it a service message."""

_ABOUT = frozenset(
    [
        "message_id",
        "message_thread_id",
        "direct_messages_topic",
        "from",
        "sender_chat",
        "sender_boost_count",
        "sender_business_bot",
        "sender_tag",
        "date",
        "guest_query_id",
        "business_connection_id",
        "chat",
        "forward_origin",
        "is_topic_message",
        "is_automatic_forward",
        "reply_to_message",
        "external_reply",
        "quote",
        "reply_to_story",
        "reply_to_checklist_task_id",
        "reply_to_poll_option_id",
        "via_bot",
        "guest_bot_caller_user",
        "guest_bot_caller_chat",
        "edit_date",
        "has_protected_content",
        "is_from_offline",
        "is_paid_post",
        "media_group_id",
        "author_signature",
        "paid_star_count",
        "entities",
        "link_preview_options",
        "suggested_post_info",
        "effect_id",
        "caption_entities",
        "show_caption_above_media",
        "has_media_spoiler",
        "reply_markup",
        "forward_from",
        "forward_from_chat",
        "forward_from_message_id",
        "forward_signature",
        "forward_sender_name",
        "forward_date",
    ]
)
"""Those that are no content: who, when, where, how; the last six until Bot API 7.0."""

FILES = ("document", "video", "audio", "voice", "video_note", "animation", "sticker")
_SHOWN_AS_FILES = frozenset({"photo", *FILES})


def service_kind(message: Json) -> str | None:
    """The field that makes it one, None for a post."""
    if "text" in message or "caption" in message:
        return None
    return next((name for name in message if name in SERVICE), None)


def is_moving(edited: Json) -> bool:
    """An edit by nobody: while a location is live (`live_period`) new coordinates come every few seconds. The last one,
    which ends it, has no period any more.
    """
    location: Json | None = edited.get("location")
    if location is None:
        return False
    return "live_period" in location or not ("text" in edited or "caption" in edited)


def stand_in(message: Json) -> str:
    """What the message shows, in words: "[game] Chess". Empty where its files tell.

    Only what a vote or a task that is done doesn't change.
    """
    for name, words in _WORDS.items():
        if (content := message.get(name)) is not None:
            return words(content)
    if not _SHOWN_AS_FILES.isdisjoint(message):
        return str((message.get("sticker") or {}).get("emoji", ""))
    name = next((name for name in message if name not in _ABOUT), "unsupported message")
    return _named(name, message.get(name))


def _named(name: str, content: Any) -> str:
    title = content.get("title") if isinstance(content, dict) else None
    return f"[{name.replace('_', ' ')}]{f' {title}' if isinstance(title, str) else ''}"


def _listed(name: str, title: str, parts: list[Json]) -> str:
    return f"[{name}] {title}: {'; '.join(part['text'] for part in parts)}"


def _contact(contact: Json) -> str:
    fields = (contact.get("first_name"), contact.get("last_name"), contact.get("phone_number"))
    return " ".join(part for part in fields if part)


def _location(location: Json) -> str:
    return f"{location['latitude']}, {location['longitude']}"


def _venue(venue: Json) -> str:
    return f"{venue['title']}, {venue['address']} ({_location(venue['location'])})"


def _chat_name(chat: Json) -> str:
    return str(chat.get("title") or chat.get("username") or chat.get("first_name") or "")


_WORDS: dict[str, Callable[[Json], str]] = {
    "contact": _contact,
    "venue": _venue,
    "location": _location,
    "dice": lambda dice: str(dice.get("emoji", "")),
    "poll": lambda poll: _listed("poll", poll["question"], poll["options"]),
    "checklist": lambda checklist: _listed("checklist", checklist["title"], checklist["tasks"]),
    "giveaway": lambda giveaway: f"[giveaway] {giveaway.get('prize_description') or ''}".strip(),
    "story": lambda story: f"[story] {_chat_name(story.get('chat') or {})}".strip(),
}
"""In this order: a venue has a location too."""
