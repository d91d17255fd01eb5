"""Members that come, go and return share the partitions; nothing is skipped, repeated or reordered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.chassis.world import Service, World, eventually

PARTITIONS = 4
pytestmark = pytest.mark.parametrize("world", [PARTITIONS], indirect=True)


@asynccontextmanager
async def traffic(world: World) -> AsyncIterator[list[int]]:
    """Numbers on all partitions until the block ends; the list holds the count of each partition."""
    counts, stop = [0] * PARTITIONS, asyncio.Event()

    async def run() -> None:
        from chassis.kafka import make_producer

        producer = make_producer(world.settings)
        await producer.start()
        while not stop.is_set():
            acknowledgements = []
            for partition in range(PARTITIONS):
                value = str(counts[partition]).encode()
                acknowledgements.append(await producer.send(world.topic, value, key=b"k", partition=partition))
                counts[partition] += 1
            await asyncio.gather(*acknowledgements)
        await producer.stop()

    running = asyncio.create_task(run())
    try:
        yield counts
    finally:
        stop.set()
        await running


async def everything_once_in_order(world: World, counts: list[int]) -> None:
    for partition, count in enumerate(counts):
        await world.until_position(count, partition)
        assert await world.seen_offsets(partition) == list(range(count))


async def progress(world: World, process: str) -> None:
    """The process handles something from now on."""
    before = await world.database.pool.fetchval("SELECT coalesce(max(id), 0) FROM seen")

    async def more() -> Any:
        return await world.database.pool.fetchval(
            "SELECT count(*) FROM seen WHERE id > $1 AND process = $2", before, process
        )

    await eventually(more)


async def test_a_member_that_joins_takes_its_share(world: World, services: list[Service]) -> None:
    async with traffic(world) as counts:
        one = await world.start("app-0", relay=False)
        await progress(world, "app-0")
        two = await world.start("app-1", relay=False)
        await progress(world, "app-1")
        await progress(world, "app-0")
    await everything_once_in_order(world, counts)
    assert await one.stop() == 0
    assert await two.stop() == 0


async def test_a_member_killed_and_restarted_gets_its_partitions_back(world: World, services: list[Service]) -> None:
    async with traffic(world) as counts:
        one, two = [await world.start(name, relay=False) for name in ("app-0", "app-1")]
        await progress(world, "app-0")
        await progress(world, "app-1")
        await one.kill()
        again = await world.start("app-0", relay=False)
        await progress(world, "app-0")
    await everything_once_in_order(world, counts)
    assert await again.stop() == 0
    assert await two.stop() == 0


async def test_a_restart_moves_no_partition_of_the_others(world: World) -> None:
    assignments: list[Any] = []

    async def assigned(partitions: frozenset[tuple[str, int]]) -> None:
        assignments.append(partitions)

    async with world.consuming(process="app-0", on_assigned=assigned) as one:
        async with world.consuming(process="app-1") as two:

            async def shared() -> bool:
                return len(one.partitions) == len(two.partitions) == PARTITIONS // 2

            await eventually(shared)
            before, count = two.partitions, len(assignments)
        async with world.consuming(process="app-1") as again:

            async def ready() -> bool:
                return again.ready()

            await eventually(ready)
            assert again.partitions == before
        assert len(assignments) == count


async def test_a_member_that_is_gone_for_good_leaves_its_partitions_to_the_others(
    world: World, services: list[Service]
) -> None:
    async with traffic(world) as counts:
        one, two = [await world.start(name, relay=False) for name in ("app-0", "app-1")]
        await progress(world, "app-0")
        await progress(world, "app-1")
        await two.kill()

        async def all_partitions_move() -> bool:
            before = list(counts)
            positions = [await world.position(partition) or 0 for partition in range(PARTITIONS)]
            return all(position > count - 2000 for position, count in zip(positions, before, strict=True))

        await eventually(all_partitions_move)
    await everything_once_in_order(world, counts)
    assert await one.stop() == 0


async def test_a_member_without_a_partition_is_ready_and_stops_when_asked(world: World) -> None:
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        members = [
            await stack.enter_async_context(world.consuming(process=f"app-{number}"))
            for number in range(PARTITIONS + 1)
        ]

        async def settled() -> bool:
            return sorted(len(member.partitions) for member in members) == [0, *[1] * PARTITIONS] and all(
                member.ready() for member in members
            )

        await eventually(settled)
        [idle] = [member for member in members if not member.partitions]
        assert idle.last_turn_age() < 5


@pytest.mark.parametrize("change", ["added", "removed", "replaced"])
async def test_a_member_that_comes_back_with_other_topics_gets_all_of_them_and_no_other(
    world: World, topic: Any, change: str
) -> None:
    other = await topic("other", partitions=PARTITIONS)
    before = [world.topic, other] if change == "removed" else [world.topic]
    after = {"added": [world.topic, other], "removed": [world.topic], "replaced": [other]}[change]

    for topics in (before, after):
        async with world.consuming(topics=topics) as consumer:

            async def ready(consumer: Any = consumer) -> bool:
                return bool(consumer.ready())

            await eventually(ready)
            assert consumer.partitions == {(name, number) for name in topics for number in range(PARTITIONS)}
