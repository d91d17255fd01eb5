"""The words of others in a message: they stand in its text, marked as theirs."""

from typing import Any

from contracts.quoting import FORWARDED, quoted

Json = dict[str, Any]


def with_words_of_others(message: Json, own: str) -> str:
    """`[forwarded from NAME]` and `> ` quotations, each on lines of their own, before what the message says itself."""
    forwarded = forwarded_from(message)
    parts = (f"{FORWARDED}{forwarded}]" if forwarded else "", _quotation(message), own)
    return "\n".join(part for part in parts if part)


def forwarded_from(message: Json) -> str | None:
    """Whose words the whole message is, None for the sender's own, also where they forward themselves."""
    origin: Json | None = message.get("forward_origin")
    if origin is None:
        return None
    user: Json = origin.get("sender_user") or {}
    if user and user.get("id") == (message.get("from") or {}).get("id") and "sender_chat" not in message:
        return None
    return _name(origin)


def _quotation(message: Json) -> str:
    """The part of another message that this one answers; of another chat's ("external_reply") with who wrote it."""
    quote: Json | None = message.get("quote")
    if quote is None:
        return ""
    said: str = quote["text"]
    external: Json | None = message.get("external_reply")
    if external is not None:
        said = f"{_name(external['origin'])}: {said}"
    return quoted(said)


def _name(origin: Json) -> str:
    """Of each kind of "MessageOrigin": user, hidden_user, chat, channel; one that is added later is somebody."""
    holder: Json = origin.get("sender_user") or origin.get("sender_chat") or origin.get("chat") or {}
    full = " ".join(part for part in (holder.get("first_name"), holder.get("last_name")) if part)
    shown: str = origin.get("sender_user_name") or holder.get("title") or full or holder.get("username") or "somebody"
    return " ".join(shown.split()) or "somebody"
