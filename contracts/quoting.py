"""How the text of a message marks words of others: docs/routing.md, "What a post says". People quote with `>` too."""

from __future__ import annotations

import re

QUOTED, FORWARDED = ">", "[forwarded from "
_LINK = re.compile(r"https?://\S+")


def quoted(text: str) -> str:
    """Each line marked as somebody else's."""
    return "\n".join(f"{QUOTED} {line}".rstrip() for line in text.splitlines())


def own_words(text: str) -> str:
    """What its author wrote of a post: without lines that quote (`>`) and the link below a forwarded message, and
    nothing of a message that is forwarded as a whole. A `>` stays in the place of each: no phrase reaches over it.
    """
    if text.startswith(FORWARDED):
        return ""
    if QUOTED not in text:
        return text
    lines = text.splitlines()
    marked = [line.startswith(QUOTED) for line in lines]
    links = [after and _LINK.fullmatch(line) for after, line in zip([False, *marked], lines, strict=False)]
    return "\n".join(QUOTED if marked[n] or links[n] else line for n, line in enumerate(lines))
