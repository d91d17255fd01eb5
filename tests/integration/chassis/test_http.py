"""The HTTP server lives inside a running loop: real requests on a free port, a graceful stop, no signals taken."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
import pytest

from chassis import metrics
from chassis.http import MAX_HEADER_BYTES, AddressInUse, HttpServer
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


@pytest.mark.parametrize(
    "part",
    [b"", b"POST / HTTP/1.1\r\nx-", b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab"],
    ids=["nothing", "headers", "body"],
)
async def test_a_client_that_stops_in_the_middle_of_a_request_is_given_up(part: bytes) -> None:
    before = metrics.http_given_up.labels("slow")._value.get()
    server = HttpServer(Probes(), host="127.0.0.1", port=0, request_seconds=0.05)
    running = asyncio.create_task(server.run())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(part)
    await reader.read()  # ends with the connection; the test's own limit bounds it
    assert metrics.http_given_up.labels("slow")._value.get() == before + 1
    writer.close()
    server.stop()
    await running


async def test_a_client_that_trickles_is_given_up_however_lively_it_is() -> None:
    server = HttpServer(Probes(), host="127.0.0.1", port=0, request_seconds=0.2)
    running = asyncio.create_task(server.run())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST / HTTP/1.1\r\n")
    ended = asyncio.create_task(reader.read())
    sent = 0
    while not ended.done():
        writer.write(b"x-header: y\r\n")
        sent += 1
        await asyncio.wait([ended], timeout=0.01)
    assert sent > 1
    writer.close()
    server.stop()
    await running


async def test_headers_without_end_are_given_up() -> None:
    before = metrics.http_given_up.labels("headers")._value.get()
    server = HttpServer(Probes(), host="127.0.0.1", port=0)
    running = asyncio.create_task(server.run())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.suppress(ConnectionError):
        writer.write(b"GET / HTTP/1.1\r\nx: " + b"y" * 4 * MAX_HEADER_BYTES)
        await reader.read()
    assert metrics.http_given_up.labels("headers")._value.get() == before + 1
    writer.close()
    server.stop()
    await running


async def test_an_answer_may_take_longer_than_a_request() -> None:
    app = Slow()
    server = HttpServer(app, host="127.0.0.1", port=0, request_seconds=0.05)
    running = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=server.url) as client:
        request = asyncio.create_task(client.get("/"))
        await app.asked.wait()
        late = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, late.set)
        await late.wait()
        app.answer.set()
        assert (await request).text == "done"
    server.stop()
    await running
