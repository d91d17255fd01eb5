"""Kafka or PostgreSQL goes away and comes back, gently or not, while records flow: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chassis.kafka import make_producer
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres.server import EmbeddedPostgres
from tests.integration.chassis.world import Service, World, eventually


class Flow:
    """Numbers, one after another, each acknowledged before the next."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = 0
        self._stop = asyncio.Event()

    async def run(self) -> None:
        producer = make_producer(self.world.settings)
        await producer.start()
        while not self._stop.is_set():
            await producer.send_and_wait(self.world.topic, str(self.count).encode(), key=b"k")
            self.count += 1
        await producer.stop()

    def stop(self) -> None:
        self._stop.set()


async def through(world: World, disturb: Callable[[], Coroutine[Any, Any, None]]) -> None:
    service = await world.start()
    flow = Flow(world)
    flowing = asyncio.create_task(flow.run())

    async def handled(count: int) -> bool:
        return (await world.position() or 0) >= count

    await eventually(lambda: handled(20))
    await disturb()
    goal = flow.count + 20
    await eventually(lambda: handled(goal))
    flow.stop()
    await flowing
    await world.until_position(flow.count)

    async def relayed() -> bool:
        return not await world.database.pool.fetchval("SELECT count(*) FROM outbox")

    await eventually(relayed)
    assert service.process.returncode is None, "the service must live through it"
    assert await service.stop() == 0
    expected = [str(number).encode() for number in range(flow.count)]
    assert await world.seen() == expected
    assert list(dict.fromkeys(await world.published())) == expected


@pytest.mark.parametrize("gently", [True, False], ids=["restart", "kill"])
async def test_postgresql(world: World, services: list[Service], postgres: EmbeddedPostgres, gently: bool) -> None:
    async def disturb() -> None:
        await (postgres.stop() if gently else postgres.kill())
        await postgres.start()

    await through(world, disturb)


@pytest.mark.parametrize("gently", [True, False], ids=["restart", "kill"])
async def test_kafka(world: World, services: list[Service], kafka: EmbeddedKafka, gently: bool) -> None:
    async def disturb() -> None:
        await (kafka.stop() if gently else kafka.kill())
        await kafka.start()

    await through(world, disturb)
