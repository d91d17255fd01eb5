"""parse_mode HTML, with the refusals of tdlib/td.

Invariant: a text that Telegram could not parse is refused with its wording; offsets in refusals are bytes, offsets of
entities are UTF-16 units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sandbox.telegram.entities import Entity, utf16_length
from sandbox.telegram.errors import ApiError, bad_request

KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "blockquote": "blockquote",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
ESCAPE = re.compile(r"&(?:#x([0-9a-fA-F]{1,8})|#([0-9]{1,8})|(lt|gt|amp|quot));?")
TAG = re.compile(r"<(/?)([^\s<>/=\"']*)([^<>]*)>")
ATTRIBUTE = re.compile(r"""([A-Za-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9.\-]+)))?""")


@dataclass(slots=True)
class _Open:
    """A tag that waits for its end."""

    tag: str
    start: int
    at: int
    attributes: dict[str, str] = field(default_factory=dict)


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """The plain text and its entities."""
    text: list[str] = []
    length = 0
    entities: list[Entity] = []
    stack: list[_Open] = []
    position = 0
    while position < len(source):
        char = source[position]
        if char == "<":
            match = TAG.match(source, position)
            if match is None:
                raise _refuse(f"Unclosed start tag at byte offset {_byte(source, position)}")
            if match[1]:
                _close(source, match, stack, length, entities)
            else:
                stack.append(_open(source, match, length))
            position = match.end()
            continue
        if char == "&" and (match := ESCAPE.match(source, position)):
            piece, position = _decode(match), match.end()
        else:
            piece, position = char, position + 1
        text.append(piece)
        length += utf16_length(piece)
    if stack:
        raise _refuse(f'Can\'t find end tag corresponding to start tag "{stack[-1].tag}"')
    return "".join(text), _in_order(entities)


def _open(source: str, match: re.Match[str], length: int) -> _Open:
    tag = match[2].lower()
    at = _byte(source, match.start())
    if tag not in KINDS:
        raise _refuse(f'Unsupported start tag "{tag}" at byte offset {at}')
    attributes = {
        a[1].lower(): decode_html(next((value for value in (a[2], a[3], a[4]) if value is not None), ""))
        for a in ATTRIBUTE.finditer(match[3])
    }
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise _refuse(f'Tag "span" must have class "tg-spoiler" at byte offset {at}')
    return _Open(tag, length, at, attributes)


def _close(source: str, match: re.Match[str], stack: list[_Open], length: int, entities: list[Entity]) -> None:
    tag = match[2].lower()
    at = _byte(source, match.start())
    if not stack:
        raise _refuse(f"Unexpected end tag at byte offset {at}")
    opened = stack.pop()
    if tag and tag != opened.tag:
        raise _refuse(f'Unmatched end tag at byte offset {at}, expected "</{opened.tag}>", found "</{tag}>"')
    if length == opened.start:
        return
    entity: Entity = {"type": KINDS[opened.tag], "offset": opened.start, "length": length - opened.start}
    if opened.tag == "a":
        if not opened.attributes.get("href"):
            return
        entity["url"] = opened.attributes["href"]
    elif opened.tag == "tg-emoji":
        entity["custom_emoji_id"] = opened.attributes.get("emoji-id", "")
    elif opened.tag == "blockquote" and "expandable" in opened.attributes:
        entity["type"] = "expandable_blockquote"
    elif opened.tag == "code" and stack and stack[-1].tag == "pre" and "class" in opened.attributes:
        stack[-1].attributes["language"] = opened.attributes["class"].removeprefix("language-")
        return
    elif opened.tag == "pre" and opened.attributes.get("language"):
        entity["language"] = opened.attributes["language"]
    entities.append(entity)


def decode_html(text: str) -> str:
    """The text with its `&lt;`-like escapes replaced."""
    return ESCAPE.sub(_decode, text)


def _decode(match: re.Match[str]) -> str:
    if match[3]:
        return NAMED[match[3]]
    code = int(match[1], 16) if match[1] else int(match[2])
    return chr(code) if 0 < code < 0x10FFFF else match[0]


def _in_order(entities: list[Entity]) -> list[Entity]:
    return sorted(entities, key=lambda e: (e["offset"], -e["length"]))


def _byte(source: str, position: int) -> int:
    return len(source[:position].encode())


def _refuse(reason: str) -> ApiError:
    return bad_request(f"can't parse entities: {reason}")
