"""A proxy passes bytes in order or not at all, and each of its faults does what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import pytest

from chaos.proxy import HOST, Proxy
from sandbox.stack.ports import free_ports

PATIENCE = 20


class Target:
    """Says its name, then what it hears."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.heard = b""
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        writer.write(self.name)
        try:
            while data := await reader.read(65536):
                self.heard += data
                writer.write(data)
        except OSError:
            pass
        writer.close()


@asynccontextmanager
async def proxied(*targets: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(free_ports(1)[0], targets)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, port: int) -> Caller:
        return cls(*await asyncio.open_connection(HOST, port))

    async def hears(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(count)

    async def ends(self) -> bytes:
        """What is left to hear until the connection ends, in order or by a reset."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except OSError:
                return b""

    def says(self, data: bytes) -> None:
        self.writer.write(data)


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


async def test_much_passes_whole_and_in_order_and_the_end_too() -> None:
    sent = bytes(range(256)) * 20_000
    async with Target(b"") as target, proxied(target.port) as proxy:
        caller = await Caller.of(proxy.port)
        caller.says(sent)
        caller.writer.write_eof()
        assert await caller.ends() == sent
        await until(lambda: proxy.connections == 0)


async def test_connections_go_round_and_leave_out_what_refuses() -> None:
    (nobody,) = free_ports(1)
    async with Target(b"a") as first, Target(b"b") as second, proxied(first.port, nobody, second.port) as proxy:
        heard = [await (await Caller.of(proxy.port)).hears(1) for _ in range(6)]
        assert {*heard} == {b"a", b"b"}
        proxy.targets = (nobody,)
        assert await (await Caller.of(proxy.port)).ends() == b""


async def test_a_cut_ends_what_is_there_and_new_ones_are_taken() -> None:
    async with Target(b"a") as target, proxied(target.port) as proxy:
        caller = await Caller.of(proxy.port)
        await caller.hears(1)
        proxy.cut()
        assert await caller.ends() == b""
        assert await (await Caller.of(proxy.port)).hears(1) == b"a"


async def test_new_ones_are_turned_away_and_what_is_there_goes_on() -> None:
    async with Target(b"a") as target, proxied(target.port) as proxy:
        caller = await Caller.of(proxy.port)
        await caller.hears(1)
        proxy.refusing = True
        assert await (await Caller.of(proxy.port)).ends() == b""
        caller.says(b"still")
        assert await caller.hears(5) == b"still"
        proxy.lift()
        assert await (await Caller.of(proxy.port)).hears(1) == b"a"


async def test_what_is_late_comes_before_what_was_said_after_it() -> None:
    async with Target(b"") as target, proxied(target.port) as proxy:
        caller = await Caller.of(proxy.port)
        proxy.delay = 3600.0
        caller.says(b"one ")
        await until(lambda: proxy.held == 4)
        proxy.delay = 0.0
        caller.says(b"two")
        await until(lambda: proxy.held == 7)
        assert target.heard == b""
        proxy.lift()
        assert await caller.hears(7) == b"one two"


async def test_a_delay_ends_by_itself() -> None:
    async with Target(b"") as target, proxied(target.port) as proxy:
        proxy.delay = 0.01
        caller = await Caller.of(proxy.port)
        caller.says(b"late")
        assert await caller.hears(4) == b"late"


@pytest.mark.parametrize("before", [True, False], ids=["an open one", "a new one"])
async def test_a_stalled_connection_stays_open_and_goes_on_where_it_was(before: bool) -> None:
    async with Target(b"a") as target, proxied(target.port) as proxy, proxied(target.port) as other:
        caller = await Caller.of(proxy.port) if before else None
        if caller is not None:
            await caller.hears(1)
        proxy.stall()
        caller = caller or await Caller.of(proxy.port)
        caller.says(b"held")
        beside = await Caller.of(other.port)
        beside.says(b"passes")
        assert await beside.hears(7) == b"apasses"
        assert target.heard == b"passes"
        proxy.lift()
        assert await caller.hears(4 if before else 5) == (b"held" if before else b"aheld")


async def test_a_cut_while_it_is_stalled_loses_what_was_held() -> None:
    async with Target(b"a") as target, proxied(target.port) as proxy:
        caller = await Caller.of(proxy.port)
        await caller.hears(1)
        proxy.stall()
        caller.says(b"held")
        proxy.cut()
        proxy.lift()
        assert await caller.ends() == b""
        assert await (await Caller.of(proxy.port)).hears(1) == b"a"
        assert target.heard == b""


async def test_what_is_said_one_way_is_held_back_and_the_other_way_passes() -> None:
    async with Target(b"a") as target, proxied(target.port) as proxy:
        proxy.stall("there")
        caller = await Caller.of(proxy.port)
        caller.says(b"held")
        assert await caller.hears(1) == b"a"
        assert target.heard == b""
        proxy.lift()
        assert await caller.hears(4) == b"held"


async def test_what_is_asked_has_its_effect_where_the_answers_are_held_back() -> None:
    async with Target(b"a") as target, proxied(target.port) as proxy:
        caller = await Caller.of(proxy.port)
        await caller.hears(1)
        proxy.stall("back")
        caller.says(b"done")
        await until(lambda: target.heard == b"done")
        proxy.cut()
        assert await caller.ends() == b""
