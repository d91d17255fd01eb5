"""`kill -9` at each fault point, a process that sleeps through its membership, records that kill: once all the same."""

from __future__ import annotations

import asyncio
import signal

import pytest

from chassis.attempts import MAX_DEATHS, MAX_DEATHS_ALONE
from chassis.dead_letters import parse
from chassis.faults import CONSUMER_POINTS, RELAY_POINTS
from chassis.kafka import SESSION_SECONDS
from contracts.topics import dead_topic
from tests.integration.chassis.world import Service, World, eventually

CONSUMER, RELAY = "<consumer>", "<relay>"


def numbers(count: int, start: int = 0) -> list[bytes]:
    return [str(number).encode() for number in range(start, start + count)]


async def until_relayed(world: World) -> None:
    async def empty() -> bool:
        return not await world.database.pool.fetchval("SELECT count(*) FROM outbox")

    await eventually(empty)


@pytest.mark.parametrize("point", [*CONSUMER_POINTS, *RELAY_POINTS])
async def test_a_kill_at_any_point_loses_and_doubles_nothing(world: World, services: list[Service], point: str) -> None:
    fault = point.replace(CONSUMER, world.consumer).replace(RELAY, "relay")
    await world.produce(numbers(40))
    killed = await world.start(faults=f"{fault}=kill", max_records=15)
    assert await killed.ended() == -signal.SIGKILL
    assert (world.faults / f"{fault}.reached").exists()
    await world.produce(numbers(10, 40))
    restarted = await world.start()
    await world.until_position(50)
    await until_relayed(world)
    assert await restarted.stop() == 0
    assert await world.seen() == numbers(50)
    published = await world.published()
    assert list(dict.fromkeys(published)) == numbers(50)
    if point in CONSUMER_POINTS:
        assert published == numbers(50)  # only the relay may repeat, and only what it had published


async def test_a_member_that_sleeps_through_its_session_is_replaced_and_applies_nothing_when_it_wakes(
    world: World, services: list[Service]
) -> None:
    await world.produce(numbers(10))
    sleeper = await world.start("app-0", faults=f"{world.consumer}.polled=stop@1", relay=False)
    await world.reached(f"{world.consumer}.polled")
    other = await world.start("app-1", relay=False)
    await world.until_position(10)
    sleeper.signal(signal.SIGCONT)
    await world.produce(numbers(10, 10))
    await world.until_position(20)
    assert await sleeper.stop() == 0
    assert await other.stop() == 0
    assert await world.seen() == numbers(20)


async def test_a_member_that_sleeps_inside_its_transaction_holds_nobody_for_long(
    world: World, services: list[Service]
) -> None:
    """Half a minute usually (test_migrations.py has the limit), here just longer than its membership lasts."""
    limit = {"idle_in_transaction_session_timeout": f"{SESSION_SECONDS + 3}s"}
    await world.produce(numbers(10))
    sleeper = await world.start("app-0", faults=f"{world.consumer}.handled=stop@1", relay=False, session=limit)
    await world.reached(f"{world.consumer}.handled")
    other = await world.start("app-1", relay=False)
    await world.until_position(10)  # the sleeper's session is ended by its time limit
    sleeper.signal(signal.SIGCONT)
    await world.produce(numbers(10, 10))
    await world.until_position(20)
    assert await sleeper.stop() == 0
    assert await other.stop() == 0
    assert await world.seen() == numbers(20)
    rows = await world.database.pool.fetch("SELECT DISTINCT process FROM seen WHERE record_offset < 10")
    assert [row["process"] for row in rows] == ["app-1"]


async def test_a_record_that_kills_the_process_is_found_and_dead_lettered(
    world: World, services: list[Service]
) -> None:
    await world.produce([*numbers(5), b"kill", *numbers(5, 5)])
    deaths = 0
    while True:
        service = await world.start(relay=False)
        done = asyncio.create_task(world.until_position(11))
        ended = asyncio.create_task(service.ended())
        await asyncio.wait({done, ended}, return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            ended.cancel()
            break
        done.cancel()
        assert ended.result() == -signal.SIGKILL
        deaths += 1
        assert deaths < 10
    assert await service.stop() == 0
    assert deaths == MAX_DEATHS + MAX_DEATHS_ALONE
    assert await world.seen() == numbers(10)
    [row] = [row for row in await world.outbox() if row.topic == dead_topic(world.topic)]
    letter = parse(row.topic, 0, 0, row.key, row.value, row.headers)
    assert (letter.cause, letter.origin_offset, letter.value) == ("process_died", 5, b"kill")


async def test_an_operators_kills_cost_no_record(world: World, services: list[Service]) -> None:
    await world.produce(numbers(20))
    for turn in range(3):
        service = await world.start(faults=f"{world.consumer}.handled=kill@{turn + 1}", max_records=2)
        assert await service.ended() == -signal.SIGKILL
    service = await world.start()
    await world.until_position(20)
    assert await service.stop() == 0
    assert await world.seen() == numbers(20)
    assert not [row for row in await world.outbox() if row.topic == dead_topic(world.topic)]
