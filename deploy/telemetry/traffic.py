"""Light traffic: customers write in Slack and Telegram, agents list and answer. Refusals are no matter."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from contracts import keys
from sandbox.scenarios.clients import Clients, Refused

PAUSE = 0.5
CHANNELS = 3


class Traffic:
    """Every half second somebody writes on each platform, and every fourth time an agent answers both."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self._channels: list[str] = []
        self._customers: list[str] = []
        self._writer = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside."""
        await self._settle()
        tasks = [asyncio.create_task(self._for_ever(step)) for step in (self._slack, self._telegram, self._agent)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _settle(self) -> None:
        for name in ("ada", "grace"):
            user = {"name": name, "display_name": name.title(), "staff": False}
            self._customers.append(str((await self.clients.slack("POST", "/users", user))["user"]["id"]))
        for number in range(CHANNELS):
            made = await self.clients.slack("POST", "/channels", {"name": f"help-{number}", "type": "public"})
            self._channels.append(str(made["channel"]["id"]))
        self._writer = (await self.clients.telegram("POST", "/users", {"first_name": "Ivan"}))["user_id"]

    async def _for_ever(self, step: Callable[[int], Awaitable[None]]) -> None:
        for number in itertools.count():
            with contextlib.suppress(Refused):
                await step(number)
            await asyncio.sleep(PAUSE)

    async def _slack(self, number: int) -> None:
        """Two people in turn: what one alone writes within minutes would be one ticket."""
        channel, user = self._channels[number % CHANNELS], self._customers[number % 2]
        await self.clients.slack("POST", "/messages", {"channel": channel, "user": user, "text": f"question {number}"})

    async def _telegram(self, number: int) -> None:
        await self.clients.telegram("POST", "/messages", {"user_id": self._writer, "text": f"question {number}"})

    async def _agent(self, number: int) -> None:
        if number % 4:
            await self.clients.api("GET", "/tickets?limit=5")
            return
        channel = keys.slack_channel(self._channels[number % CHANNELS])
        dialog = keys.telegram_channel(self.clients.doors.bot_id, str(self._writer))
        for key in (channel, dialog):
            for ticket in (await self.clients.tickets_in(key))[:1]:
                await self.clients.api("POST", f"/tickets/{ticket['id']}/replies", {"text": f"answer {number}"})
