"""The HTTP server lives inside a running loop: real requests on a free port, a graceful stop, no signals taken."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
import pytest

from chassis.http import AddressInUse, HttpServer
from chassis.probes import Probes

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


class Slow:
    """An app whose answer waits until the test lets it go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        self.asked.set()
        await self.answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})


async def test_probes_answer_over_http_on_a_free_port() -> None:
    probes = Probes()
    probes.add_liveness("relay", lambda: 99.0, 30)
    server = HttpServer(probes, host="127.0.0.1", port=0)
    running = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=server.url) as client:
        live = await client.get("/livez")
        ready = await client.get("/readyz")
        numbers = await client.get("/metrics", headers={"accept": "application/openmetrics-text"})
        head = await client.head("/readyz")
    assert (live.status_code, live.json()["problems"]) == (503, {"relay": "last turn 99.0 s ago, limit 30 s"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    assert numbers.text.endswith("# EOF\n")
    assert "okno_event_loop_delay_seconds" in numbers.text
    assert (head.status_code, head.content) == (200, b"")
    server.stop()
    await running


async def test_a_stop_finishes_the_request_in_hand_and_refuses_new_ones() -> None:
    app = Slow()
    server = HttpServer(app, host="127.0.0.1", port=0)
    running = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=server.url) as client:
        request = asyncio.create_task(client.get("/"))
        await app.asked.wait()
        server.stop()
        while True:  # the listener closes within a tick of the server
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except ConnectionError:  # refused, or reset while it waited to be accepted
                break
            writer.close()
        assert not request.done()
        app.answer.set()
        assert (await request).text == "done"
    await running


async def test_requests_before_the_first_turn_wait_instead_of_being_refused() -> None:
    server = HttpServer(Probes(), host="127.0.0.1", port=0)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.close()
    running = asyncio.create_task(server.run())
    server.stop()
    await running


async def test_a_cancelled_server_ends_its_requests_and_frees_its_port() -> None:
    app = Slow()
    server = HttpServer(app, host="127.0.0.1", port=0)
    running = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=server.url) as client:
        request = asyncio.create_task(client.get("/"))
        await app.asked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await request).status_code == 500
    successor = HttpServer(Probes(), host="127.0.0.1", port=server.port)
    assert successor.port == server.port
    successor.close()


async def test_signal_handlers_stay_as_they_were() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    server = HttpServer(Probes(), host="127.0.0.1", port=0)
    running = asyncio.create_task(server.run())
    async with httpx.AsyncClient() as client:
        await client.get(f"{server.url}/livez")
    assert {number: signal.getsignal(number) for number in before} == before
    server.stop()
    await running


def test_an_address_in_use_is_named() -> None:
    first = HttpServer(Probes(), host="127.0.0.1", port=0)
    with pytest.raises(AddressInUse, match=rf"can't listen on 127\.0\.0\.1:{first.port} \(Address already in use\)"):
        HttpServer(Probes(), host="127.0.0.1", port=first.port)
    first.close()
