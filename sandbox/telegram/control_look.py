"""The part of the control API that only looks: chats and messages as people see them, logs, settings.

Invariant: nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from itertools import islice
from typing import Any

from aiohttp import web

from sandbox.telegram.errors import ControlError
from sandbox.telegram.simulation import Simulation
from sandbox.telegram.views import chat_view, message_view

Handler = Callable[[web.Request], Awaitable[Any]]


class ControlLook:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def table(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/state", self.state),
            ("GET", "/users", self.users),
            ("GET", "/chats", self.chats),
            ("GET", r"/chats/{chat_id:-?\d+}", self.chat),
            ("GET", r"/chats/{chat_id:-?\d+}/messages", self.messages),
            ("GET", r"/callbacks/{query:\d+}", self.callback),
            ("GET", "/rate-limits", self.rate_limits),
            ("GET", "/clock", self.clock),
            ("GET", "/faults", self.faults),
            ("GET", "/webhook", self.webhook),
            ("GET", "/deliveries", self.deliveries),
            ("GET", "/calls", self.calls),
            ("GET", "/commands", self.commands),
        ]

    def bot_id(self, request: web.Request) -> int:
        """The bot of `?bot_id=`, the first by default."""
        given = _query_number(request, "bot_id")
        return self._simulation.bot(given).id

    async def state(self, request: web.Request) -> dict[str, Any]:
        """Everything that the page needs to begin with."""
        return {**await self.users(request), **await self.chats(request), "pending": self._simulation.pending()}

    async def users(self, request: web.Request) -> dict[str, Any]:  # noqa: ARG002 - a handler's signature
        people = self._simulation.world.people.values()
        return {
            "bots": [bot.user() for bot in self._simulation.bots.values()],
            "users": [{**person.user(), "deactivated": person.deactivated} for person in people],
        }

    async def chats(self, request: web.Request) -> dict[str, Any]:
        bot_id = self.bot_id(request)
        return {"chats": [chat_view(chat, bot_id) for chat in self._simulation.world.chats(bot_id)]}

    async def chat(self, request: web.Request) -> dict[str, Any]:
        bot_id = self.bot_id(request)
        return chat_view(self._simulation.actions.chat(int(request.match_info["chat_id"]), bot_id), bot_id)

    async def messages(self, request: web.Request) -> dict[str, Any]:
        """In the chat's order; `after` (a message id), `topic`, `limit`; deleted ones with `include_deleted=1`."""
        chat = self._simulation.actions.chat(int(request.match_info["chat_id"]), self.bot_id(request))
        after, topic = _query_number(request, "after") or 0, _query_number(request, "topic")
        deleted = request.query.get("include_deleted") == "1"
        found = (
            message_view(chat, message)
            for message in chat.messages.values()
            if message.id > after and (deleted or not message.deleted) and topic in {None, message.thread_id}
        )
        return {"messages": list(islice(found, _query_number(request, "limit") or 1000))}

    async def callback(self, request: web.Request) -> dict[str, Any]:
        query = self._simulation.callbacks.get(request.match_info["query"])
        if query is None:
            raise ControlError(f"no callback query {request.match_info['query']}", status=404)
        return {"answer": query["answer"]}

    async def rate_limits(self, request: web.Request) -> dict[str, Any]:  # noqa: ARG002 - a handler's signature
        limits = self._simulation.rate_limits()
        return {"enabled": limits is not None, **(asdict(limits) if limits is not None else {})}

    async def clock(self, request: web.Request) -> dict[str, Any]:  # noqa: ARG002 - a handler's signature
        return {"scale": self._simulation.clock.speed, "now": self._simulation.clock.now()}

    async def faults(self, request: web.Request) -> dict[str, Any]:  # noqa: ARG002 - a handler's signature
        return {"faults": [fault.view() for fault in self._simulation.faults.all()]}

    async def webhook(self, request: web.Request) -> dict[str, Any]:
        feed = self._simulation.feed(self.bot_id(request))
        return {
            "webhook": asdict(feed.webhook) if feed.webhook is not None else None,
            "allowed_updates": sorted(feed.allowed) if feed.allowed is not None else None,
            "pending": len(feed.pending),
        }

    async def deliveries(self, request: web.Request) -> dict[str, Any]:
        """Attempts to deliver, oldest first; `update_id`, `chat_id` and `limit` (the last so many) narrow."""
        return {"deliveries": _last(request, self._simulation.deliveries, ("update_id", "chat_id"))}

    async def calls(self, request: web.Request) -> dict[str, Any]:
        """Calls of the Bot API, oldest first; `method` and `limit` (the last so many) narrow."""
        return {"calls": _last(request, self._simulation.calls, ("method",))}

    async def commands(self, request: web.Request) -> dict[str, Any]:
        bot_id = self.bot_id(request)
        kept = self._simulation.commands.items()
        return {
            "commands": [
                {"scope": scope, "language_code": language, "commands": commands}
                for (owner, scope, language), commands in kept
                if owner == bot_id
            ]
        }


def _last(request: web.Request, log: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    wanted = {name: request.query[name] for name in names if name in request.query}
    found = [entry for entry in log if all(str(entry[name]) == value for name, value in wanted.items())]
    return found[-(_query_number(request, "limit") or 1000) :]


def _query_number(request: web.Request, name: str) -> int | None:
    value = request.query.get(name)
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        raise ControlError(f"{name} must be a number") from None
