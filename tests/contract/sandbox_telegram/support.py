"""What the tests of the simulated Telegram share: a served simulation with people in it, and a webhook that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from sandbox.telegram import Simulation, routes
from sandbox.telegram.world import BotIdentity, Chat, Person, Topic

TOKEN = BotIdentity().token
BOT_ID = BotIdentity().id


async def start(app: web.Application) -> tuple[web.AppRunner, str]:
    """Serve on a free port; the runner and the URL."""
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@dataclass
class Served:
    """A served simulation; chats are made on first use."""

    simulation: Simulation
    url: str

    @cached_property
    def person(self) -> Person:
        """Somebody who has written to the bot."""
        person = self.simulation.world.add_person("Ada", last_name="Lovelace")
        self.simulation.actions.send(person.id, text="hello")
        return person

    @cached_property
    def dialog(self) -> Chat:
        return self.simulation.actions.chat(self.person.id)

    @cached_property
    def group(self) -> Chat:
        return self.simulation.actions.create_group("Group", creator=self.person, kind="group")

    @cached_property
    def supergroup(self) -> Chat:
        return self.simulation.actions.create_group("Supergroup", creator=self.person)

    @cached_property
    def forum(self) -> Chat:
        return self.simulation.actions.create_group("Forum", creator=self.person, is_forum=True)

    @cached_property
    def topic(self) -> Topic:
        return self.simulation.actions.open_topic(self.forum, self.person.user(), "Topic")

    def meet(self) -> None:
        """The person has written before, and the bot knows."""
        assert self.dialog.started
        self.forget_updates()

    def pending(self) -> list[str]:
        """The kinds of the updates that wait for the bot, oldest first."""
        return [update.kind for update in self.simulation.feed(BOT_ID).pending.values()]

    def forget_updates(self) -> None:
        self.simulation.feed(BOT_ID).pending.clear()


@asynccontextmanager
async def serve(simulation: Simulation) -> AsyncIterator[Served]:
    app = web.Application()
    app.add_routes(routes(simulation))
    runner, url = await start(app)
    try:
        yield Served(simulation, url)
    finally:
        await simulation.close()
        await runner.cleanup()


async def call(http: aiohttp.ClientSession, method: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
    """Call a method with a JSON body; HTTP status and answer."""
    async with http.post(f"/telegram/bot{TOKEN}/{method}", json=arguments) as response:
        return response.status, await response.json()


async def result(http: aiohttp.ClientSession, method: str, **arguments: Any) -> Any:
    """Call a method that has to succeed; its result."""
    status, answer = await call(http, method, **arguments)
    assert (status, answer["ok"]) == (200, True), answer
    return answer["result"]


async def control(http: aiohttp.ClientSession, method: str, path: str, **body: Any) -> Any:
    """Call the control API; it has to succeed."""
    async with http.request(method, f"/control/telegram{path}", json=body) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer


Answer = Callable[[dict[str, Any]], web.Response]


@dataclass
class Receiver:
    """A bot's webhook: keeps what it gets and answers as it is told. `hold` keeps requests waiting."""

    answer: Answer = lambda update: web.Response()
    updates: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    url: str = ""
    hold: asyncio.Event | None = None
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        self._runner, base = await start(app)
        self.url = f"{base}/hook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        update = await request.json()
        self.updates.append(update)
        self.headers.append(dict(request.headers))
        async with self.arrived:
            self.arrived.notify_all()
        if self.hold is not None:
            await self.hold.wait()
        self.open_now -= 1
        return self.answer(update)

    async def wait_for(self, count: int) -> None:
        """Until so many requests have come."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.updates) >= count)

    def texts(self) -> list[str]:
        """The texts of the messages and edits that came, in order."""
        return [text_of(update) for update in self.updates]


def text_of(update: dict[str, Any]) -> str:
    message = update.get("message") or update.get("edited_message") or {}
    return str(message.get("text", ""))
