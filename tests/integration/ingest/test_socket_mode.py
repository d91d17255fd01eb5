"""Socket Mode comes back after an outage, however long: an address of Slack's is good for one socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web

from services.ingest.slack import socket
from services.ingest.slack.socket import SocketMode

PATIENCE = 30.0


class FakeSlack:
    """`apps.connections.open` and its sockets, which can be away."""

    def __init__(self) -> None:
        self.url = ""
        self.away = False
        self.refused = asyncio.Event()
        self.opened: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()
        self.acknowledged: asyncio.Queue[str] = asyncio.Queue()
        self._asked = 0
        self._tickets: set[str] = set()

    async def open(self, _: web.Request) -> web.Response:
        if self.away:
            return self._refuse()
        self._asked += 1
        self._tickets.add(str(self._asked))
        return web.json_response({"ok": True, "url": f"{self.url}/link?ticket={self._asked}"})

    async def link(self, request: web.Request) -> web.StreamResponse:
        if self.away or (ticket := request.query["ticket"]) not in self._tickets:
            return self._refuse()
        self._tickets.discard(ticket)
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await connection.send_json({"type": "hello"})
        self.opened.put_nowait(connection)
        async for message in connection:
            self.acknowledged.put_nowait(message.json()["envelope_id"])
        return connection

    def _refuse(self) -> web.Response:
        self.refused.set()
        return web.Response(status=503)


class Taken:
    """An intake that keeps what it is given."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []

    async def take(self, _: bytes, payload: Any) -> None:
        self.payloads.append(payload)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    fake = FakeSlack()
    app = web.Application()
    app.router.add_route("*", "/api/apps.connections.open", fake.open)
    app.router.add_get("/link", fake.link)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


async def test_after_a_long_outage_a_new_address_is_asked_for(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(socket, "RECONNECT_SECONDS", 1.0)
    intake: Any = Taken()
    mode = SocketMode(intake, app_token="xapp-1", api_url=f"{slack.url}/api/")
    running = asyncio.create_task(mode.run())
    try:
        async with asyncio.timeout(PATIENCE):
            first = await slack.opened.get()
            slack.away = True
            await first.close()
            await slack.refused.wait()
            slack.away = False
            again = await slack.opened.get()
            await again.send_json({"type": "events_api", "envelope_id": "e1", "payload": {"event_id": "Ev1"}})
            assert await slack.acknowledged.get() == "e1"
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await mode.close()
    assert intake.payloads == [{"event_id": "Ev1"}]
