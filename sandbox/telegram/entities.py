"""Texts and their entities.

Invariant: entity offsets and lengths are UTF-16 code units, text limits are code points, and a text that leaves here
is trimmed as Telegram trims it, with its entities moved along.
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.telegram.errors import bad_request

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_BYTES = 32_768
CONTROL = {code: " " for code in range(0x20) if code != 0x0A} | {0x0D: None}
FOUND = (
    ("bot_command", re.compile(r"(?<![\w/@<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/@])")),
    ("email", re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z0-9]")),
    (
        "url",
        re.compile(
            r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]]|(?<![\w@.])(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|ru)\b(?:/\S*[^\s.,;:!?)])?"
        ),
    ),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z][A-Za-z0-9_]{3,31}\b")),
    ("hashtag", re.compile(r"(?<![\w#])#(?=\w*[^\W\d])\w{1,256}")),
)
"""Telegram finds these by itself in every text; earlier ones win."""

Entity = dict[str, Any]


def utf16_length(text: str) -> int:
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def find_entities(text: str, taken: list[Entity] | None = None) -> list[Entity]:
    """Entities found in the text beside those given; none overlaps another."""
    entities = list(taken or ())
    spans = [(e["offset"], e["offset"] + e["length"]) for e in entities]
    for kind, pattern in FOUND:
        for match in pattern.finditer(text):
            start = utf16_length(text[: match.start()])
            end = start + utf16_length(match[0])
            if all(end <= taken_start or start >= taken_end for taken_start, taken_end in spans):
                entities.append({"type": kind, "offset": start, "length": end - start})
                spans.append((start, end))
    return sorted(entities, key=lambda e: (e["offset"], -e["length"]))


def check_entities(text: str, entities: list[Entity]) -> None:
    """Refuse entities that lie outside of the text."""
    end_of_text = utf16_length(text)
    for entity in entities:
        start, length = entity["offset"], entity["length"]
        if start < 0 or length < 0:
            raise bad_request(
                f"can't parse entities: receive an entity with incorrect offset {start} or length {length}"
            )
        if start + length > end_of_text:
            raise bad_request(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text "
                f"at UTF-16 offset {start + length}"
            )


def trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """The text without control characters and outer white space, its entities moved and cut accordingly."""
    text = text.translate(CONTROL)
    stripped = text.strip()
    if stripped == text:
        return text, entities
    lead = utf16_length(text[: len(text) - len(text.lstrip())])
    size = utf16_length(stripped)
    moved = []
    for entity in entities:
        start = max(0, entity["offset"] - lead)
        end = min(size, entity["offset"] + entity["length"] - lead)
        if end > start:
            moved.append({**entity, "offset": start, "length": end - start})
    return stripped, moved


def finish(text: str, entities: list[Entity], *, limit: int = MAX_TEXT, what: str = "message") -> dict[str, Any]:
    """`{"text", "entities"}` as a message carries them, or the refusal of a text that is empty or too long."""
    if len(text.encode()) > MAX_BYTES:
        raise bad_request("text is too long")
    check_entities(text, entities)
    text, entities = trim(text, entities)
    if not text and what == "message":
        raise bad_request("text must be non-empty")
    if len(text) > limit:
        raise bad_request(f"{what} is too long")
    content: dict[str, Any] = {"text": text}
    if found := find_entities(text, entities):
        content["entities"] = found
    return content
