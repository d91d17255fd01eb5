"""The control API: what people do in the workspace and what testers switch. Trusted, and separate from Slack's API.

README.md beside this file lists the calls. A body with an unknown or ill-typed field is refused, naming it.
"""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from sandbox.slack.control_people import PeopleControl
from sandbox.slack.control_platform import PlatformControl
from sandbox.slack.control_request import Handler
from sandbox.slack.errors import SlackError
from sandbox.slack.model import Json
from sandbox.slack.simulation import Simulation

NOT_THERE = frozenset(f"{what}_not_found" for what in ("user", "channel", "message", "event", "fault"))


class Control:
    """The routes of both halves."""

    def __init__(self, simulation: Simulation, platform_prefix: str) -> None:
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
