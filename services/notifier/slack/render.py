"""Runs as Slack's mrkdwn. Only what Okno writes itself is markup: `&`, `<` and `>` of the text are always escaped.

Slack's mrkdwn has no escapes for its other signs and ends each style with its line, so styles are opened and closed
on every line. https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from contracts.chat import Person
from contracts.keys import native_person
from services.notifier.markdown import Mark, Run, Style, is_literal, runs_of, split
from services.notifier.outcomes import Content

MAX_BYTES = 4000
"""Slack advises 4,000 characters, and counts bytes where it enforces them (chat.update)."""

_SIGNS = {Style.BOLD: "*", Style.ITALIC: "_", Style.STRIKE: "~"}
_SPACE = "\u200b"


def escape(text: str) -> str:
    """The three characters that Slack's control sequences begin, end or are escaped with."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def render(text: str, mentions: Sequence[Person] = ()) -> list[Content]:
    """The messages of a reply, each at most `MAX_BYTES` long."""
    return list(_rendered(text, tuple(mentions)))


@functools.lru_cache(maxsize=8)  # a long text is asked for again with each of its parts
def _rendered(text: str, mentions: Sequence[Person]) -> list[Content]:
    chunks = split(runs_of(text, mentions), lambda runs: len(mrkdwn(runs).encode()) <= MAX_BYTES, MAX_BYTES)
    return [Content(mrkdwn(chunk)) for chunk in chunks]


def mrkdwn(runs: Sequence[Run]) -> str:
    """One message's text."""
    return "\n".join(_line(line) for line in _lines(runs))


def _lines(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Lines of runs; a code block is one line, whatever is in it."""
    line: list[Run] = []
    for run in runs:
        if any(mark.style is Style.PRE for mark in run.marks):
            line.append(run)
            continue
        first, *others = run.text.split("\n")
        line.append(Run(first, run.marks))
        for other in others:
            yield line
            line = [Run(other, run.marks)]
    yield line


def _line(runs: Sequence[Run]) -> str:
    """One line. Signs count for Slack only where they touch a word, so white space goes outside of them."""
    line = ""
    opened: list[Mark] = []
    for run in runs:
        if not run.text:
            continue
        wanted = [] if is_literal(run) else [mark for mark in run.marks if mark.style in _SIGNS]
        keep = 0
        while keep < min(len(opened), len(wanted)) and opened[keep] == wanted[keep]:
            keep += 1
        line = _closed(line, opened[keep:])
        piece = _piece(run)
        lead = piece[: len(piece) - len(piece.lstrip(" "))] if wanted[keep:] else ""
        line += lead + "".join(_SIGNS[mark.style] for mark in wanted[keep:]) + piece[len(lead) :]
        opened = wanted
    line = _closed(line, opened)
    return f"> {line}" if any(mark.style is Style.QUOTE for run in runs for mark in run.marks) else line


def _closed(line: str, marks: Sequence[Mark]) -> str:
    if not marks:
        return line
    words = line.rstrip(" ")
    return words + "".join(_SIGNS[mark.style] for mark in reversed(marks)) + line[len(words) :]


def _piece(run: Run) -> str:
    marks = {mark.style: mark for mark in run.marks}
    if Style.MENTION in marks and marks[Style.MENTION].detail.startswith("slack:"):
        return f"<@{native_person(marks[Style.MENTION].detail)}>"
    if Style.PRE in marks:
        return "```\n" + escape(run.text.replace("```", f"`{_SPACE}`{_SPACE}`")) + "\n```"
    if Style.LINK in marks:
        label = escape(run.text.replace("|", "\N{BROKEN BAR}"))
        return f"<{_address(marks[Style.LINK].detail)}|{label}>"
    if Style.CODE in marks and "`" not in run.text and run.text.strip():
        return f"`{escape(run.text)}`"
    return escape(run.text)


def _address(address: str) -> str:
    """An address as it may stand between Slack's angle brackets."""
    return quote(address, safe="!#$%&'()*+,/:;=?@[]~").replace("&", "&amp;")
