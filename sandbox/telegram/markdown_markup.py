"""parse_mode MarkdownV2, with the refusals of tdlib/td.

Invariant: every character that Telegram reserves is either part of an entity, escaped, or refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.telegram.entities import Entity, utf16_length
from sandbox.telegram.errors import ApiError, bad_request

RESERVED = frozenset("_*[]()~`>#+-=|{}.!")
SPANS = {"__": "underline", "||": "spoiler", "_": "italic", "*": "bold", "~": "strikethrough"}
NAMES = {
    "underline": "Underline",
    "spoiler": "Spoiler",
    "italic": "Italic",
    "bold": "Bold",
    "strikethrough": "Strikethrough",
    "code": "Code",
    "pre": "Pre",
    "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji",
}


@dataclass(slots=True)
class _Open:
    kind: str
    mark: str
    start: int
    at: int
    language: str = ""


class _Parser:
    """One pass over the text; `stack` holds the entities that are open."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.text: list[str] = []
        self.length = 0
        self.entities: list[Entity] = []
        self.stack: list[_Open] = []
        self.quote: int | None = None
        self.quote_expandable = False

    def parse(self) -> tuple[str, list[Entity]]:
        while self.position < len(self.source):
            self._step()
        if self.stack:
            opened = self.stack[-1]
            raise _refuse(f"Can't find end of {NAMES[opened.kind]} entity at byte offset {opened.at}")
        self._end_quote()
        return "".join(self.text), sorted(self.entities, key=lambda e: (e["offset"], -e["length"]))

    def _step(self) -> None:
        char = self.source[self.position]
        if char == "\\" and self.position + 1 < len(self.source) and 0 < ord(self.source[self.position + 1]) < 127:
            self._put(self.source[self.position + 1], 2)
            return
        opened = self.stack[-1] if self.stack else None
        if opened is not None and opened.kind in {"code", "pre"}:
            if self.source.startswith(opened.mark, self.position):
                self._close(opened)
            elif char == "`":
                raise self._reserved(char)
            else:
                self._put(char, 1)
            return
        if char == "\n" and self.quote is not None and not self.source.startswith(">", self.position + 1):
            self._end_quote()
        if char == ">" and self._at_line_start():
            self.quote = self.length if self.quote is None else self.quote
            self.position += 1
            return
        self._mark(char, opened)

    def _mark(self, char: str, opened: _Open | None) -> None:
        """A character outside of code: an entity's mark or plain text."""
        for mark in ("```", "`"):
            if self.source.startswith(mark, self.position):
                self._open_code(mark)
                return
        if (
            self.quote is not None
            and self.source.startswith("||", self.position)
            and self._ends_line(2)
            and (opened is None or opened.kind != "spoiler")
        ):
            self.quote_expandable = True
            self.position += 2
            return
        for mark, kind in SPANS.items():
            if self.source.startswith(mark, self.position):
                self._span(mark, kind, opened)
                return
        if char == "[" or self.source.startswith("![", self.position):
            mark = "[" if char == "[" else "!["
            self._open("text_link" if char == "[" else "custom_emoji", mark)
        elif char == "]" and opened is not None and opened.mark in {"[", "!["}:
            self._close_link(opened)
        elif char in RESERVED:
            raise self._reserved(char)
        else:
            self._put(char, 1)

    def _span(self, mark: str, kind: str, opened: _Open | None) -> None:
        if opened is not None and opened.kind == kind:
            self._close(opened)
        elif any(other.kind == kind for other in self.stack):
            raise _refuse(f"Can't find end of {NAMES[self.stack[-1].kind]} entity at byte offset {self.stack[-1].at}")
        else:
            self._open(kind, mark)

    def _open(self, kind: str, mark: str) -> None:
        self.stack.append(_Open(kind, mark, self.length, self._byte()))
        self.position += len(mark)

    def _open_code(self, mark: str) -> None:
        self._open("pre" if mark == "```" else "code", mark)
        if mark == "```":
            line_end = self.source.find("\n", self.position)
            word = self.source[self.position : line_end] if line_end >= 0 else ""
            if word and not any(c.isspace() or c == "`" for c in word):
                self.stack[-1].language = word
                self.position = line_end
            if self.source.startswith("\n", self.position):
                self.position += 1

    def _close(self, opened: _Open) -> None:
        self.stack.pop()
        self.position += len(opened.mark)
        extra = {"language": opened.language} if opened.language else {}
        self._add(opened.kind, opened.start, **extra)

    def _close_link(self, opened: _Open) -> None:
        self.stack.pop()
        self.position += 1
        url = ""
        if self.source.startswith("(", self.position):
            end = self.position + 1
            while end < len(self.source) and self.source[end] != ")":
                step = 2 if self.source[end] == "\\" and end + 1 < len(self.source) else 1
                url += self.source[end + step - 1]
                end += step
            if end >= len(self.source):
                raise _refuse(f"Can't find end of a URL at byte offset {self._byte()}")
            self.position = end + 1
        if opened.kind == "custom_emoji":
            if not url.startswith("tg://emoji?id="):
                raise _refuse("Custom emoji entity must contain a tg://emoji URL")
            self._add(opened.kind, opened.start, custom_emoji_id=url.removeprefix("tg://emoji?id="))
        elif url:
            self._add(opened.kind, opened.start, url=url)

    def _end_quote(self) -> None:
        if self.quote is not None:
            self._add("expandable_blockquote" if self.quote_expandable else "blockquote", self.quote)
            self.quote, self.quote_expandable = None, False

    def _add(self, kind: str, start: int, **extra: str) -> None:
        if self.length > start:
            self.entities.append({"type": kind, "offset": start, "length": self.length - start, **extra})

    def _put(self, char: str, consumed: int) -> None:
        self.text.append(char)
        self.length += utf16_length(char)
        self.position += consumed

    def _at_line_start(self) -> bool:
        return self.position == 0 or self.source[self.position - 1] == "\n"

    def _ends_line(self, after: int) -> bool:
        return self.position + after == len(self.source) or self.source[self.position + after] == "\n"

    def _byte(self) -> int:
        return len(self.source[: self.position].encode())

    def _reserved(self, char: str) -> ApiError:
        return _refuse(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")


def parse_markdown_v2(source: str) -> tuple[str, list[Entity]]:
    """The plain text and its entities."""
    return _Parser(source.replace("\r", "")).parse()


def _refuse(reason: str) -> ApiError:
    return bad_request(f"can't parse entities: {reason}")
