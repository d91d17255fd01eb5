"""What Telegram's refusals mean for a delivery: one table, made into outcomes in one place.

Telegram's Bot API has no codes, only descriptions: they are compared in lower case and by their beginnings or parts.
Source: tdlib/telegram-bot-api and tdlib/td. A description that isn't listed ends the delivery as failed.
"""

from __future__ import annotations

from contracts.chat_receipts_v1 import DeliveryError

_BLOCKED = "The customer has blocked the bot. Reach them another way."
_GROUP = "The bot isn't in the group any more. Add it again, then send again."
_START = "Telegram lets a bot write only to people who have written to it first."
_FORMAT = "Telegram refused how the text is formatted."

BAD_REQUESTS: tuple[tuple[str, str, str], ...] = (
    ("chat not found", "chat_not_found", "Telegram doesn't find the chat. It may have been deleted."),
    ("message thread not found", "topic_not_found", "The topic is gone. Answer in another one."),
    ("topic_closed", "topic_closed", "The topic is closed. Open it again in Telegram, then send again."),
    ("topic_deleted", "topic_not_found", "The topic is gone. Answer in another one."),
    ("message to be replied not found", "reply_target_not_found", "The message to answer is gone."),
    ("message is not modified", "not_modified", "The message shows this text already."),
    ("message to edit not found", "message_not_found", "The message isn't in Telegram any more."),
    ("message to delete not found", "message_not_found", "The message isn't in Telegram any more."),
    ("message can't be edited", "edit_refused", "Telegram doesn't let the bot change this message."),
    (
        "message can't be deleted",
        "delete_refused",
        "Telegram lets a bot delete a message for 48 hours, or with administrator rights. Delete it in the chat.",
    ),
    ("can't parse entities", "format_refused", _FORMAT),
    ("entity beginning at", "format_refused", _FORMAT),
    ("message text is empty", "no_text", "There is no text to post."),
    ("text must be non-empty", "no_text", "There is no text to post."),
    ("message is too long", "text_too_long", "The text is too long for Telegram. Shorten it."),
    ("text is too long", "text_too_long", "The text is too long for Telegram. Shorten it."),
    ("not enough rights", "no_rights", "The bot may not write in this group. Ask its administrators."),
    ("have no rights to send", "no_rights", "The bot may not write in this group. Ask its administrators."),
    ("chat_write_forbidden", "no_rights", "The bot may not write in this group. Ask its administrators."),
    ("chat_restricted", "no_rights", "The bot may not write in this group. Ask its administrators."),
    ("user_is_blocked", "blocked", _BLOCKED),
    ("group chat was deactivated", "group_gone", "The group was deleted."),
    ("peer_id_invalid", "chat_not_found", "Telegram doesn't find the chat. It may have been deleted."),
    ("query is too old", "query_expired", "The button was pressed too long ago."),
    ("file is too big", "file_too_big", "The file is too big for Telegram."),
)
FORBIDDEN: tuple[tuple[str, str, str], ...] = (
    ("bot was blocked by the user", "blocked", _BLOCKED),
    ("user is deactivated", "user_deactivated", "The customer's Telegram account is gone."),
    ("bot was kicked", "kicked", _GROUP),
    ("bot is not a member", "not_a_member", _GROUP),
    ("can't initiate conversation", "not_started", _START),
    ("can't send messages to bots", "is_a_bot", "Telegram bots can't write to each other."),
)
UNCHANGED = "not_modified"
"""An edit that changes nothing has succeeded."""

REMOVED = "message_not_found"
"""What a deletion takes for success."""

TOKEN = DeliveryError(
    code="bot_access_lost",
    text="Telegram no longer accepts the bot's token. Connect the bot again, then send again.",
)
BUSY = DeliveryError(code="rate_limited", text="Telegram asks to wait. Okno tries again by itself.")
UNREACHABLE = DeliveryError(code="unreachable", text="Telegram can't be reached. Okno tries again by itself.")
UNSURE = DeliveryError(
    code="no_answer",
    text="Telegram didn't answer, so nobody knows whether the message arrived. Look into the chat: "
    "confirm that it arrived, or send it again.",
)


def refusal(description: str, *, forbidden: bool) -> DeliveryError:
    """A description (without its `Bad Request: ` or `Forbidden: `) as an agent reads it."""
    lowered = description.lower()
    for part, code, text in FORBIDDEN if forbidden else BAD_REQUESTS:
        if part in lowered:
            return DeliveryError(code=code, text=text)
    code = "forbidden" if forbidden else "bad_request"
    return DeliveryError(code=code, text=f"Telegram refused the message: {description[:200]}")
