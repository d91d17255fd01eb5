"""Runs as Telegram's text with entities. Entities can't fail to parse; offsets and lengths are UTF-16 code units.

Telegram's rules are kept: code stands in no other entity, one quote stands in no other, nothing is empty.
https://core.telegram.org/bots/api#messageentity
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from contracts.chat import Person
from contracts.keys import native_person
from services.notifier.markdown import Mark, Run, Style, is_literal, runs_of, split
from services.notifier.outcomes import Content

MAX_TEXT = 4096
"""Characters (code points) of one message after parsing."""

MAX_ENTITIES = 100
"""Telegram ignores further ones."""

_TYPES = {
    Style.BOLD: "bold",
    Style.ITALIC: "italic",
    Style.STRIKE: "strikethrough",
    Style.CODE: "code",
    Style.PRE: "pre",
    Style.LINK: "text_link",
    Style.QUOTE: "blockquote",
    Style.MENTION: "text_mention",
}


def render(text: str, mentions: Sequence[Person] = ()) -> list[Content]:
    """The messages of a reply, each within Telegram's limits."""
    return list(_rendered(text, tuple(mentions)))


@functools.lru_cache(maxsize=8)  # a long text is asked for again with each of its parts
def _rendered(text: str, mentions: Sequence[Person]) -> list[Content]:
    clean = "".join(character if character >= " " or character in "\n\t" else " " for character in text)
    chunks = split(runs_of(clean, mentions), lambda _: True, MAX_TEXT)
    return [entities_of(chunk) for chunk in chunks]


def entities_of(runs: Sequence[Run]) -> Content:
    """One message."""
    spans: dict[Mark, list[int]] = {}
    entities: list[dict[str, object]] = []
    offset = 0
    for run in runs:
        length = utf16_length(run.text)
        for mark in _marks(run):
            span = spans.get(mark)
            if span is not None and span[1] == offset:
                span[1] = offset + length
            else:
                if span is not None:  # interrupted, by code for instance
                    entities += _entity(mark, span)
                spans[mark] = [offset, offset + length]
        offset += length
    for mark, span in spans.items():
        entities += _entity(mark, span)
    entities.sort(key=lambda entity: (entity["offset"], -int(str(entity["length"]))))
    return Content("".join(run.text for run in runs), entities[:MAX_ENTITIES])


def utf16_length(text: str) -> int:
    """Code units, which Telegram counts in."""
    return len(text) + sum(character > "\uffff" for character in text)


def _marks(run: Run) -> list[Mark]:
    """The marks that Telegram allows together."""
    if is_literal(run):
        return [mark for mark in run.marks if mark.style in {Style.CODE, Style.PRE}]
    marks: list[Mark] = []
    for mark in run.marks:
        if mark.style is Style.QUOTE and any(one.style is Style.QUOTE for one in marks):
            continue
        marks.append(mark)
    return marks


def _entity(mark: Mark, span: Sequence[int]) -> list[dict[str, object]]:
    start, end = span
    if end <= start:
        return []
    entity: dict[str, object] = {"type": _TYPES[mark.style], "offset": start, "length": end - start}
    if mark.style is Style.LINK:
        entity["url"] = mark.detail
    elif mark.style is Style.PRE and mark.detail:
        entity["language"] = mark.detail
    elif mark.style is Style.MENTION:
        user = native_person(mark.detail)
        if not (mark.detail.startswith("telegram:") and user.isdecimal()):
            return []
        entity["user"] = {"id": int(user), "is_bot": False, "first_name": "-"}
    return [entity]
