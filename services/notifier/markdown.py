"""CommonMark becomes runs: pieces of text with marks, from which each platform's form is made, and which can be split.

Any input gives runs whose marks nest properly. Links keep their address only where it is one for people (http, https,
mailto, tel), so no text can smuggle in what a platform takes for a mention or command.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from contracts.chat import Person

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SCHEMES = ("http://", "https://", "mailto:", "tel:")
MAX_LINK = 1500
"""Longer addresses are written out as text."""


class Style(Enum):
    BOLD = "bold"
    ITALIC = "italic"
    STRIKE = "strike"
    CODE = "code"
    PRE = "pre"
    LINK = "link"
    QUOTE = "quote"
    MENTION = "mention"


@dataclass(frozen=True, slots=True)
class Mark:
    """`number` tells neighbours of one style apart; `detail`: a link's address, a block's language, a person's key."""

    style: Style
    number: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Text with its marks, the outermost first."""

    text: str
    marks: tuple[Mark, ...] = ()


_OPENING = {"strong_open": Style.BOLD, "em_open": Style.ITALIC, "s_open": Style.STRIKE}
_CLOSING = {"strong_close", "em_close", "s_close"}
_LITERAL = (Style.CODE, Style.PRE)


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("strikethrough")


def runs_of(text: str, mentions: Sequence[Person] = ()) -> list[Run]:
    """The runs of a reply: its mentions first, then its text. What shows nothing as CommonMark is taken as it is."""
    writer = _Writer()
    for person in mentions:
        writer.mention(person)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    body = _Writer(first_number=len(mentions) + 1)
    body.blocks(_parser().parse(text))
    runs = body.finish()
    if not any(run.text.strip() for run in runs):
        runs = [Run(text.strip())] if text.strip() else []
    if mentions and runs:
        literal = any(mark.style in {Style.PRE, Style.QUOTE} for mark in runs[0].marks)
        runs.insert(0, Run("\n" if literal else " "))
    return [run for run in (*writer.runs, *runs) if run.text]


class _Writer:
    """Walks markdown-it's tokens."""

    def __init__(self, first_number: int = 0) -> None:
        self.runs: list[Run] = []
        self._marks: list[Mark] = []
        self._opened: list[bool] = []
        """Whether each open style added a mark."""
        self._number = first_number
        self._lists: list[int | None] = []
        self._tight = False
        self._pending = ""

    def mention(self, person: Person) -> None:
        if self.runs:
            self.runs.append(Run(" "))
        name = person.name or "you"
        self.runs.append(Run(f"@{name}", (self._mark(Style.MENTION, person.key),)))

    def finish(self) -> list[Run]:
        return self.runs

    def _mark(self, style: Style, detail: str = "") -> Mark:
        self._number += 1
        return Mark(style, self._number, detail)

    def _open(self, style: Style, detail: str = "") -> None:
        """Bold in bold is bold: a style is marked once, so that no text nests marks as deep as it is long."""
        new = all(mark.style is not style for mark in self._marks)
        self._opened.append(new)
        if new:
            self._marks.append(self._mark(style, detail))

    def _close(self) -> None:
        if self._opened.pop():
            self._marks.pop()

    def _text(self, text: str, *more: Mark) -> None:
        if not text:
            return
        if self._pending:
            quote = [mark for mark in self._marks if mark.style is Style.QUOTE]
            if self.runs:
                inside = bool(quote) and quote[0] in self.runs[-1].marks
                self.runs.append(Run(self._pending, (quote[0],) if inside else ()))
            self._pending = ""
        self.runs.append(Run(text, (*self._marks, *more)))

    def _break(self, lines: str) -> None:
        if len(lines) > len(self._pending):
            self._pending = lines

    def blocks(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            self._block(token)

    def _block(self, token: Token) -> None:  # noqa: C901 - a table of token types
        match token.type:
            case "inline":
                self._inline(token.children or [])
            case "fence" | "code_block":
                self._break("\n\n")
                language = token.info.split()[0] if token.info.strip() else ""
                self._text(token.content.rstrip("\n") or " ", self._mark(Style.PRE, language))
                self._break("\n\n")
            case "heading_open":
                self._break("\n\n")
                self._open(Style.BOLD)
            case "heading_close":
                self._close()
                self._break("\n\n")
            case "blockquote_open":
                self._break("\n\n")
                self._open(Style.QUOTE)
            case "blockquote_close":
                self._close()
                self._break("\n\n")
            case "bullet_list_open" | "ordered_list_open":
                self._break("\n" if self._lists else "\n\n")
                start = token.attrGet("start")
                ordered = token.type == "ordered_list_open"
                self._lists.append(int(start) if start is not None else 1 if ordered else None)
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self._break("\n" if self._lists else "\n\n")
            case "list_item_open":
                self._item()
            case "paragraph_open":
                if not token.hidden:
                    self._break("\n\n" if not self._lists else "\n")
            case "paragraph_close":
                self._break("\n" if token.hidden or self._lists else "\n\n")
            case "hr":
                self._break("\n\n")
                self._text("\u2014\u2014\u2014")
                self._break("\n\n")
            case _:
                return

    def _item(self) -> None:
        number = self._lists[-1]
        self._break("\n")
        indent = "    " * (len(self._lists) - 1)
        if number is None:
            self._text(f"{indent}\u2022 ")
        else:
            self._text(f"{indent}{number}. ")
            self._lists[-1] = number + 1

    def _inline(self, tokens: Sequence[Token]) -> None:  # noqa: C901 - a table of token types
        link: str | None = None
        for token in tokens:
            match token.type:
                case "text":
                    self._text(token.content)
                case "code_inline":
                    self._text(token.content, self._mark(Style.CODE))
                case "softbreak" | "hardbreak":
                    self._text("\n")
                case kind if kind in _OPENING:
                    self._open(_OPENING[kind])
                case kind if kind in _CLOSING:
                    self._close()
                case "link_open":
                    address = str(token.attrGet("href") or "")
                    link = None if _fit_for_people(address) else address
                    if link is None:
                        self._open(Style.LINK, address)
                case "link_close":
                    if link is None:
                        self._close()
                    elif link:
                        self._text(f" ({link})")
                    link = None
                case "image":
                    self._image(token)
                case _:
                    self._text(token.content)

    def _image(self, token: Token) -> None:
        address = str(token.attrGet("src") or "")
        label = token.content or address
        if _fit_for_people(address) and not any(mark.style is Style.LINK for mark in self._marks):
            self._text(label, self._mark(Style.LINK, address))
        else:
            self._text(label if label == address else f"{label} ({address})")


def _fit_for_people(address: str) -> bool:
    return address.lower().startswith(SCHEMES) and len(address) <= MAX_LINK


def is_literal(run: Run) -> bool:
    """Whether the run's text is code."""
    return any(mark.style in _LITERAL for mark in run.marks)


def split(runs: Sequence[Run], fits: Callable[[Sequence[Run]], bool], longest: int) -> list[list[Run]]:
    """Cut runs into messages that fit: at the last paragraph, else line, else word, else anywhere.

    A prefix of what fits must fit too; no message gets more than `longest` characters. Marks are carried over
    a cut. A message that is all white space is dropped.
    """
    chunks: list[list[Run]] = []
    rest = _trimmed(runs)
    while rest:
        near = _head(rest, longest + 2)  # a little more, to see what follows
        text = "".join(run.text for run in near)
        if len(text) <= longest and fits(near):
            chunks.append(near)
            break
        low, high = 1, min(len(text), longest)
        while low < high:  # the longest prefix that fits
            middle = (low + high + 1) // 2
            if fits(_head(near, middle)):
                low = middle
            else:
                high = middle - 1
        cut = _boundary(text, low)
        head = _trimmed(_head(rest, cut))
        if head:
            chunks.append(head)
        rest = _trimmed(_tail(rest, cut))
    return chunks


def _boundary(text: str, longest: int) -> int:
    """Where to cut: behind the last paragraph, line or word, unless that would leave less than a third."""
    for separator in ("\n\n", "\n", " "):
        found = text.rfind(separator, 0, longest + len(separator))
        if found > longest // 3:
            return min(found + len(separator), longest) if found < longest else longest
    return longest


def _head(runs: Sequence[Run], count: int) -> list[Run]:
    head = []
    for run in runs:
        if count <= 0:
            break
        head.append(Run(run.text[:count], run.marks))
        count -= len(run.text)
    return head


def _tail(runs: Sequence[Run], count: int) -> list[Run]:
    for index, run in enumerate(runs):
        if count < len(run.text):
            return [Run(run.text[count:], run.marks), *runs[index + 1 :]]
        count -= len(run.text)
    return []


def _trimmed(runs: Sequence[Run]) -> list[Run]:
    """Without white space at both ends (but the indentation of code stays)."""
    kept = list(runs)
    while kept and not (text := kept[0].text.lstrip("\n" if is_literal(kept[0]) else None)):
        kept.pop(0)
    if kept:
        kept[0] = Run(text, kept[0].marks)
    while kept and not (text := kept[-1].text.rstrip()):
        kept.pop()
    if kept:
        kept[-1] = Run(text, kept[-1].marks)
    return kept
