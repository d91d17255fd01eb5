"""The control API: what people do in the workspace and what testers switch. Trusted, and separate from Slack's API.

README.md beside this file lists the calls. A body with an unknown or ill-typed field is refused, naming it.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import UnionType
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from sandbox.slack.errors import SlackError
from sandbox.slack.model import Json

if TYPE_CHECKING:
    from sandbox.slack.simulation import Simulation

Handler = Callable[[web.Request], Awaitable[Json]]
Kind = type | UnionType
NOT_THERE = frozenset(f"{what}_not_found" for what in ("user", "channel", "message", "event", "fault"))


class Control:
    """The routes of both halves."""

    def __init__(self, simulation: "Simulation", platform_prefix: str) -> None:
        from sandbox.slack.control_people import PeopleControl
        from sandbox.slack.control_platform import PlatformControl

        self._simulation = simulation
        self._platform_prefix = platform_prefix
        self._handlers = {**PeopleControl(simulation).handlers(), **PlatformControl(simulation).handlers()}

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All routes below `prefix`."""
        return [
            web.route(method, prefix + path, self._answering(handler))
            for (method, path), handler in self._handlers.items()
        ]

    def _answering(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            self._simulation.serve_from(f"{request.scheme}://{request.host}{self._platform_prefix}")
            body: Json = {"ok": True}
            status = 200
            try:
                body |= await handler(request)
            except SlackError as error:
                body = {"ok": False, "error": error.code} | error.details
                status = 404 if error.code in NOT_THERE else 400
            return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")

        return answer


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
