"""Reading a request of the control API; what is wrong with it is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import UnionType
from typing import Any

import orjson
from aiohttp import web

from sandbox.slack.errors import SlackError
from sandbox.slack.model import Json

Handler = Callable[[web.Request], Awaitable[Json]]
Kind = type | UnionType


async def fields(request: web.Request, required: dict[str, Kind], optional: dict[str, Kind] | None = None) -> Json:
    """The JSON object of a request, with just these fields. Errors: invalid_json, missing_field, invalid_field."""
    raw = await request.read()
    try:
        body = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError:
        raise SlackError("invalid_json") from None
    if not isinstance(body, dict):
        raise SlackError("invalid_json")
    known = required | (optional or {})
    for name, value in body.items():
        if name not in known or (value is not None and not isinstance(value, known[name])):
            raise SlackError("invalid_field", field=name, known=sorted(known))
    for name in required:
        if body.get(name) is None:
            raise SlackError("missing_field", field=name)
    return {name: value for name, value in body.items() if value is not None or name in (optional or {})}


def moment(value: Any) -> float | None:
    """A moment from the `at` field: epoch seconds (a number or its text) or ISO 8601, UTC unless it says otherwise."""
    if value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value)
    except ValueError:
        pass
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise SlackError("invalid_field", field="at") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def number(request: web.Request, name: str, default: float) -> float:
    """A number from the query. Error: invalid_field."""
    try:
        return float(request.query.get(name, default))
    except ValueError:
        raise SlackError("invalid_field", field=name) from None
