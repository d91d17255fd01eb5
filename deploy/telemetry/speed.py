"""Rules whose times pass faster, so that a fault of seconds does what one of minutes would.

Windows, `for` and offsets are divided by the speed, but are never shorter than four scrapes need; ages that an alert
waits for, in seconds or as a loop's limit, are divided by half of it, since a busy machine makes everything wait a
moment. Names of recorded series stay. Nothing else of the rules changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"(\[|offset )(\d+)([smhd])\b")
_AGE = re.compile(r"(_(?:age|lag)_seconds(?::max)?\)? > )(\d+)")
_LIMIT = re.compile(r"> okno_loop_limit_seconds\b")


def faster(rules: Mapping[str, Any], speed: float, least: int) -> dict[str, Any]:
    """A copy of a rules file's content; `least` is the shortest window in seconds."""

    def short(number: str, unit: str) -> str:
        return f"{max(least, round(int(number) * UNITS[unit] / speed))}s"

    def expr(text: str) -> str:
        text = _TIME.sub(lambda found: found[1] + short(found[2], found[3]), text)
        text = _LIMIT.sub(f"> {2 / speed:g} * okno_loop_limit_seconds", text)
        return _AGE.sub(lambda found: found[1] + f"{int(found[2]) * 2 / speed:g}", text)

    return {"groups": [_group(group, expr, lambda text: short(text[:-1], text[-1])) for group in rules["groups"]]}


def _group(group: Mapping[str, Any], expr: Callable[[str], str], short: Callable[[str], str]) -> dict[str, Any]:
    return {
        **group,
        "rules": [
            {**rule, "expr": expr(rule["expr"]), **({"for": short(rule["for"])} if "for" in rule else {})}
            for rule in group["rules"]
        ],
    }
