"""Which metrics and labels a query names. No parser: it needs only names, and Prometheus itself judges the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\s*(\{[^}]*\}|\()?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORDS = frozenset({"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "inf", "nan"})


@dataclass(frozen=True, slots=True)
class Names:
    """`selectors`: a metric's name with the labels that it is selected by; `grouped`: labels named otherwise."""

    selectors: list[tuple[str, frozenset[str]]]
    grouped: frozenset[str]


def names(expr: str) -> Names:
    """The names in a query. Labels that `label_replace` makes don't count: they are strings."""
    bare = _STRING.sub('""', expr)
    grouped = {label.strip() for found in _GROUPING.finditer(bare) for label in found[1].split(",") if label.strip()}
    bare = _RANGE.sub("", _GROUPING.sub("", bare))
    return Names(list(_selectors(bare)), frozenset(grouped))


def _selectors(bare: str) -> Iterator[tuple[str, frozenset[str]]]:
    for found in _SELECTOR.finditer(bare):
        name, after = found[1], found[2] or ""
        if after == "(" or name in _WORDS or (found.start() and bare[found.start() - 1].isdigit()):
            continue
        yield name, frozenset(_MATCHER.findall(after))
