"""sendMessage and what may be done with a message afterwards.

Invariant: a method refuses before it changes anything, and counts against the limits only what it would really do.
"""

from __future__ import annotations

from typing import Any

from sandbox.telegram.errors import NOT_MODIFIED, QUERY_TOO_OLD, bad_request
from sandbox.telegram.methods.call import Call, Handler
from sandbox.telegram.methods.content import answered_message, markup_of, text_of, topic_of
from sandbox.telegram.world import Chat, Message

DELETABLE_FOR = 48 * 3600
MAX_CALLBACK_ANSWER = 200
MAX_DELETED_AT_ONCE = 100


async def send_message(call: Call) -> dict[str, Any]:
    chat = call.writable_chat()
    return post(call, chat, text_of(call))


def post(call: Call, chat: Chat, content: dict[str, Any]) -> dict[str, Any]:
    """Send content with the arguments that all send methods share."""
    answered = answered_message(call, chat)
    topic = topic_of(call, chat, answered.message)
    markup = markup_of(call)
    call.throttle(chat)
    message = call.groups.post(
        chat,
        call.bot.user(),
        content,
        reply_to=answered.message.id if answered.message is not None else None,
        topic=topic,
        markup=markup,
        external_reply=answered.external,
        quote=answered.quote,
    )
    return call.show(chat, message)


def _own_message(call: Call, chat: Chat) -> Message:
    message = call.message(chat, "edit")
    if message.sender_id != call.bot.id or message.service:
        raise bad_request("message can't be edited")
    return message


def _refuse_inline(call: Call) -> None:
    if call.get("inline_message_id") is not None:
        raise bad_request("not simulated: the sandbox plays no inline messages")


async def edit_message_text(call: Call) -> dict[str, Any]:
    _refuse_inline(call)
    chat = call.accessible_chat()
    message = _own_message(call, chat)
    content = text_of(call)
    if "text" not in message.content:
        raise bad_request("there is no text in the message to edit")
    return _change(call, chat, message, content, markup_of(call, inline_only=True))


async def edit_message_reply_markup(call: Call) -> dict[str, Any]:
    _refuse_inline(call)
    chat = call.accessible_chat()
    message = _own_message(call, chat)
    return _change(call, chat, message, message.content, markup_of(call, inline_only=True))


def _change(
    call: Call, chat: Chat, message: Message, content: dict[str, Any], markup: dict[str, Any] | None
) -> dict[str, Any]:
    if markup is not None and not any(markup["inline_keyboard"]):
        markup = None
    if content == message.content and markup == message.markup:
        raise bad_request(NOT_MODIFIED)
    call.throttle(chat)
    if content != message.content:
        message.edit_date = int(call.platform.clock.now())
    message.content, message.markup = content, markup
    call.groups.told("edit", chat, message)
    return call.show(chat, message)


async def delete_message(call: Call) -> bool:
    chat = call.accessible_chat()
    _delete(call, chat, call.message(chat, "delete"))
    return True


async def delete_messages(call: Call) -> bool:
    """Those that can't be found are skipped."""
    chat = call.accessible_chat()
    if not 1 <= len(call.get("message_ids")) <= MAX_DELETED_AT_ONCE:
        raise bad_request(
            "message identifiers are not specified" if not call.get("message_ids") else "too many messages"
        )
    for message_id in call.get("message_ids"):
        if (message := chat.message(message_id)) is not None:
            _delete(call, chat, message)
    return True


def _delete(call: Call, chat: Chat, message: Message) -> None:
    """Own messages and, in a private chat, the person's; in a group an administrator may delete any. All up to 48 h."""
    may = chat.is_private or chat.is_admin(call.bot.id) or message.sender_id == call.bot.id
    if not may:
        raise bad_request("message can't be deleted")
    if call.platform.clock.now() - message.date >= DELETABLE_FOR:
        raise bad_request("message can't be deleted for everyone")
    message.deleted = True
    call.groups.told("delete", chat, message)


async def set_message_reaction(call: Call) -> bool:
    """A bot may have one reaction a message, no paid and no custom one of its own."""
    chat = call.accessible_chat()
    message = call.message(chat, "react")
    reactions = call.get("reaction", [])
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(reaction["type"] != "emoji" for reaction in reactions):
        raise bad_request("REACTION_INVALID")
    if reactions:
        message.reactions[call.bot.id] = reactions
    else:
        message.reactions.pop(call.bot.id, None)
    call.groups.told("reaction", chat, message)
    return True


async def answer_callback_query(call: Call) -> bool:
    query = call.platform.callbacks.get(call.get("callback_query_id"))
    if (
        query is None
        or query["bot_id"] != call.bot.id
        or query["answer"] is not None
        or query["expires_at"] <= call.platform.clock.elapsed()
    ):
        raise bad_request(QUERY_TOO_OLD)
    text = call.get("text", "")
    if len(text) > MAX_CALLBACK_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    answer = {"text": text, "show_alert": call.get("show_alert", False)}
    query["answer"] = answer
    call.platform.publish("callback_answer", callback_query_id=call.get("callback_query_id"), **answer)
    return True


HANDLERS: dict[str, Handler] = {
    "sendMessage": send_message,
    "editMessageText": edit_message_text,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
    "setMessageReaction": set_message_reaction,
    "answerCallbackQuery": answer_callback_query,
}
