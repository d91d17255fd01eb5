"""`/live`: what happens in both simulations as server-sent events, from now on, each a JSON object with `platform`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import orjson
from aiohttp import web

from sandbox.slack import simulation as slack
from sandbox.telegram import simulation as telegram

KEEP_ALIVE_SECONDS = 15.0


class Live:
    """Every open page is a watcher of both simulations; `close` ends them all, so that the server can stop."""

    def __init__(self, slack_simulation: slack.Simulation, telegram_simulation: telegram.Simulation) -> None:
        self._slack = slack_simulation
        self._telegram = telegram_simulation
        self._open: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/live", self.stream, allow_head=False)]

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        with closing(self._slack.subscribe()) as in_slack, closing(self._telegram.subscribe()) as in_telegram:
            await response.prepare(request)
            queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            readers = [
                asyncio.create_task(_read(aiter(in_slack), queue)),
                asyncio.create_task(_read(aiter(in_telegram), queue)),
            ]
            writer = asyncio.create_task(_write(response, queue))
            self._open.add(writer)
            try:
                await asyncio.wait([writer])
            finally:
                self._open.discard(writer)
                for task in (*readers, writer):
                    task.cancel()
                await asyncio.gather(*readers, writer, return_exceptions=True)
        return response

    async def close(self) -> None:
        for task in list(self._open):
            task.cancel()


async def _read(source: AsyncIterator[dict[str, Any]], queue: asyncio.Queue[dict[str, Any]]) -> None:
    async for event in source:
        queue.put_nowait(event)


async def _write(response: web.StreamResponse, queue: asyncio.Queue[dict[str, Any]]) -> None:
    """Until the page goes away; a comment now and then notices that it did."""
    await response.write(b": live\n\n")
    while True:
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                event = await queue.get()
        except TimeoutError:
            await response.write(b": still here\n\n")
            continue
        await response.write(b"data: " + orjson.dumps(event, default=str) + b"\n\n")
