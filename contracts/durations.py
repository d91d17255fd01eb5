"""Durations as people write them in a policy: `90s`, `3m`, `72h`, `30d`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FORM = re.compile(r"(\d+)([smhd])")


def parse_duration(value: object) -> timedelta:
    """`72h` -> 72 hours. Raises ValueError that shows the form, or the longest there is."""
    if isinstance(value, timedelta):
        return value
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{value!r} is not a duration; write a whole number and a unit, for instance 90s, 3m, 72h or 30d"
        )
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError) as error:  # int() takes so many digits only
        raise ValueError(f"is too long for a duration; the longest is {timedelta.max.days}d") from error


def format_duration(value: timedelta) -> str:
    """The largest unit that divides it: 72 hours -> `3d`."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+[smhd]$", "examples": ["90s", "3m", "72h", "30d"]}),
]
