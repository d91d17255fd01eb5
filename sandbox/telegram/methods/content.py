"""What a bot's message is made of: text with entities, buttons, the message it answers, the topic it goes to.

Invariant: everything here either returns what will be stored or refuses; nothing is changed yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.telegram import entities
from sandbox.telegram.errors import ApiError, bad_request
from sandbox.telegram.html_markup import parse_html
from sandbox.telegram.markdown_markup import parse_markdown_v2
from sandbox.telegram.methods.call import Call
from sandbox.telegram.world import GENERAL_TOPIC, Chat, Message

MAX_CALLBACK_DATA = 64
BUTTON_ACTIONS = frozenset(
    {
        "url",
        "callback_data",
        "web_app",
        "login_url",
        "switch_inline_query",
        "switch_inline_query_current_chat",
        "switch_inline_query_chosen_chat",
        "copy_text",
        "callback_game",
        "pay",
    }
)


def text_of(call: Call) -> dict[str, Any]:
    """`text` with its entities."""
    source = call.get("text")
    if not source:
        raise bad_request("message text is empty")
    text, found = _parse(call, source, call.get("entities"))
    return entities.finish(text, found)


def caption_of(call: Call) -> dict[str, Any]:
    """`caption` with its entities, under the names that media use."""
    source = call.get("caption")
    if not source:
        return {}
    text, found = _parse(call, source, call.get("caption_entities"))
    content = entities.finish(text, found, limit=entities.MAX_CAPTION, what="message caption")
    named = {"caption": content["text"]}
    return {**named, "caption_entities": content["entities"]} if "entities" in content else named


def _parse(call: Call, source: str, given: list[entities.Entity] | None) -> tuple[str, list[entities.Entity]]:
    """parse_mode goes before entities, as with Telegram."""
    mode = (call.get("parse_mode") or "").lower()
    if not mode or mode == "none":
        return source, given or []
    if mode == "html":
        return parse_html(source)
    if mode == "markdownv2":
        return parse_markdown_v2(source)
    if mode == "markdown":
        raise bad_request("not simulated: the sandbox does not play the legacy parse_mode Markdown")
    raise bad_request("unsupported parse_mode")


def markup_of(call: Call, *, inline_only: bool = False) -> dict[str, Any] | None:
    """`reply_markup`, its buttons checked."""
    markup: dict[str, Any] | None = call.get("reply_markup")
    if markup is None:
        return None
    if inline_only and "inline_keyboard" not in markup:
        raise bad_request("inline keyboard expected")
    for row in markup.get("inline_keyboard", []):
        for button in row:
            _check_button(button)
    return markup


def _check_button(button: dict[str, Any]) -> None:
    if not BUTTON_ACTIONS & set(button):
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    data = button.get("callback_data")
    if data is not None and not 1 <= len(data.encode()) <= MAX_CALLBACK_DATA:
        raise bad_request("BUTTON_DATA_INVALID")


@dataclass(frozen=True, slots=True)
class Answered:
    """What `reply_parameters` came to; all None when there are none or the original is gone and may be."""

    message: Message | None = None
    external: dict[str, Any] | None = None
    quote: dict[str, Any] | None = None


def answered_message(call: Call, chat: Chat) -> Answered:
    parameters = call.get("reply_parameters")
    if parameters is None:
        return Answered()
    other_id = parameters.get("chat_id", chat.id)
    other = chat if other_id == chat.id else call.find_chat(other_id)
    original = other.message(parameters["message_id"])
    if original is None or original.service:
        if parameters.get("allow_sending_without_reply") and other is chat:
            return Answered()
        raise bad_request("message to be replied not found")
    quote = _quote(original, parameters)
    if other is chat:
        return Answered(message=original, quote=quote)
    origin = {"type": "user", "sender_user": original.sender, "date": original.date}
    external = {"origin": origin, "chat": other.summary(), "message_id": original.id}
    return Answered(external=external, quote=quote)


def _quote(original: Message, parameters: dict[str, Any]) -> dict[str, Any] | None:
    text = parameters.get("quote")
    if not text:
        return None
    source = original.content.get("text", original.content.get("caption", ""))
    position = source.find(text)
    if position < 0:
        raise bad_request("QUOTE_TEXT_INVALID")
    return {"text": text, "position": entities.utf16_length(source[:position]), "is_manual": True}


def topic_of(call: Call, chat: Chat, answered: Message | None) -> int | None:
    """The topic to write to: the one named, else that of the message answered."""
    thread_id = call.get("message_thread_id")
    if thread_id is None:
        thread_id = answered.thread_id if answered is not None else None
        if thread_id is None:
            return None
    topic = chat.topics.get(thread_id) if chat.is_forum and thread_id != GENERAL_TOPIC else None
    if topic is None or topic.deleted:
        raise _no_thread()
    if topic.closed and not chat.is_admin(call.bot.id):
        raise bad_request("TOPIC_CLOSED")
    return topic.id


def _no_thread() -> ApiError:
    return bad_request("message thread not found")
