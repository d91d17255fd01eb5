"""Opaque cursors: the last row's place in its order. One of another list or order is refused."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from services.ticketing.api.problems import Problem

Kinds = Sequence[type]


def encode(order: str, values: Sequence[Any]) -> str:
    return urlsafe_b64encode(orjson.dumps([order, *values])).decode().rstrip("=")


def decode(cursor: str | None, order: str, kinds: Kinds) -> list[Any] | None:
    """The values of the last row; None at the start. Raises a 400 for anything that isn't a cursor of this list."""
    if cursor is None:
        return None
    try:
        raw = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        said, *values = raw
        if said == order and len(values) == len(kinds):
            return [_value(value, kind) for value, kind in zip(values, kinds, strict=True)]
    except (binascii.Error, ValueError, TypeError):
        pass
    detail = "The cursor isn't one of this list. Take next_cursor as it came, with the same sort; or leave it out."
    raise Problem(400, "bad-cursor", detail)


def _value(value: Any, kind: type) -> Any:
    if kind is datetime:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            raise ValueError
        return parsed
    if kind is int and type(value) is int and abs(value) < 2**63:
        return value
    if kind is str and type(value) is str and "\0" not in value:
        return value
    raise ValueError
