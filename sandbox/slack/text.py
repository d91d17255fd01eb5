"""Between what people type and what travels on the wire.

Slack escapes only `&`, `<` and `>`; everything between `<` and `>` on the wire is markup. What a person types can
never become markup, except for links and the mentions that the client inserted for them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

MARKUP = re.compile(r"<((?:@[UW][A-Z0-9]+|#[CG][A-Z0-9]+|![a-z]|https?://|mailto:|tel:)[^<>]*)>")
BARE_LINK = re.compile(r"https?://(?:(?!&[lg]t;)[^\s<>|])*(?!&[lg]t;)[^\s<>|.,;:!?)\]}'\"]")
EMOJI = re.compile(r":([a-z0-9_+'-]+(?:::skin-tone-[2-6])?):")
ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")


def escape(text: str) -> str:
    """Plain text as Slack writes it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The reverse of `escape`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def typed(text: str, mentions: Mapping[str, str] | None = None) -> str:
    """The wire form of what a person typed.

    Bare http(s) links become `<https://...>` as Slack's client does. `mentions` maps a name to a user id: `@name`
    becomes `<@U1>` for these names only; any other `@` stays plain.
    """
    longest_first = sorted((mentions or {}).items(), key=lambda item: -len(item[0]))

    def plain(part: str) -> str:
        wire = escape(part)
        for name, user_id in longest_first:
            wire = re.sub(rf"(?<!\w)@{re.escape(escape(name))}(?![\w-])", f"<@{user_id}>", wire)
        return wire

    return _outside(text, BARE_LINK, plain, lambda link: f"<{escape(link.group(0))}>")


def posted(text: str) -> str:
    """The wire form of text that an app posts: its markup is kept, stray `&`, `<`, `>` are escaped, links marked."""

    def stray(part: str) -> str:
        return ENTITY.sub("&amp;", part).replace("<", "&lt;").replace(">", "&gt;")

    def plain(part: str) -> str:
        return _outside(part, BARE_LINK, stray, lambda link: f"<{stray(link.group(0))}>")

    return _outside(text, MARKUP, plain, lambda markup: markup.group(0))


def mentioned(text: str, user_id: str) -> bool:
    """Whether wire text mentions the user."""
    return f"<@{user_id}>" in text or f"<@{user_id}|" in text


def rich_text(text: str, block_id: str) -> dict[str, Any]:
    """The rich_text block that Slack's client sends along with a person's message: the same content, structured."""
    elements: list[dict[str, Any]] = []

    def plain(part: str) -> str:
        position = 0
        for emoji in EMOJI.finditer(part):
            _add_text(elements, part[position : emoji.start()])
            elements.append({"type": "emoji", "name": emoji.group(1)})
            position = emoji.end()
        _add_text(elements, part[position:])
        return ""

    def markup(match: re.Match[str]) -> str:
        elements.append(_element(match.group(1)))
        return ""

    _outside(text, MARKUP, plain, markup)
    return {
        "type": "rich_text",
        "block_id": block_id,
        "elements": [{"type": "rich_text_section", "elements": elements}],
    }


def _add_text(elements: list[dict[str, Any]], text: str) -> None:
    if text:
        elements.append({"type": "text", "text": unescape(text)})


def _element(inner: str) -> dict[str, Any]:
    target, _, label = inner.partition("|")
    if target.startswith("@"):
        return {"type": "user", "user_id": target[1:]}
    if target.startswith("#"):
        return {"type": "channel", "channel_id": target[1:]}
    if target.startswith("!subteam^"):
        return {"type": "usergroup", "usergroup_id": target.removeprefix("!subteam^")}
    if target.startswith("!"):
        return {"type": "broadcast", "range": target[1:]}
    link = {"type": "link", "url": unescape(target)}
    return link | {"text": unescape(label)} if label else link


def _outside(
    text: str, pattern: re.Pattern[str], plain: Callable[[str], str], matched: Callable[[re.Match[str]], str]
) -> str:
    parts: list[str] = []
    position = 0
    for match in pattern.finditer(text):
        parts.append(plain(text[position : match.start()]))
        parts.append(matched(match))
        position = match.end()
    parts.append(plain(text[position:]))
    return "".join(parts)
