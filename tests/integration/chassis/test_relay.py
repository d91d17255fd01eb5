"""The relay on a real Kafka and a real PostgreSQL: nothing lost, first appearances in order, whoever sleeps when."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from chassis import faults, leases, metrics, outbox
from chassis.kafka import make_producer
from chassis.outbox import OutboxRow
from chassis.relay import Relay
from tests.integration.chassis.world import Service, World, eventually


@pytest.fixture
async def producer(world: World) -> AsyncIterator[AIOKafkaProducer]:
    producer = make_producer(world.settings)
    await producer.start()
    yield producer
    await producer.stop()


def numbers(count: int, start: int = 0) -> list[bytes]:
    return [str(number).encode() for number in range(start, start + count)]


async def write(world: World, values: Sequence[bytes], **options: Any) -> None:
    async with world.database.transaction() as connection:
        await outbox.add(connection, [OutboxRow(world.out, b"k", value, **options) for value in values])


async def until_empty(world: World) -> None:
    async def empty() -> bool:
        return not await world.database.pool.fetchval("SELECT count(*) FROM outbox")

    await eventually(empty)


def first_appearances(values: Sequence[bytes]) -> list[bytes]:
    return list(dict.fromkeys(values))


@asynccontextmanager
async def relaying(world: World, producer: AIOKafkaProducer, **options: Any) -> AsyncIterator[Relay]:
    relay = Relay(**{"database": world.database, "producer": producer, "process": "relay-0", **options})
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        relay.stop()
        await running


async def test_rows_are_published_in_order_and_deleted(world: World, producer: AIOKafkaProducer) -> None:
    await write(world, numbers(1200))
    async with relaying(world, producer, max_rows=100) as relay:
        await until_empty(world)
        await write(world, numbers(10, 1200))
        relay.wake()
        await until_empty(world)
    assert await world.published() == numbers(1210)


async def test_key_headers_and_tombstones_arrive_as_they_were_written(world: World, producer: AIOKafkaProducer) -> None:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    headers = [("ce_id", b"1"), ("ce_id", b"2"), ("odd", b"\xff\x00"), ("none", None), ("é\x00", b"")]
    async with world.database.transaction() as connection:
        await outbox.add(connection, [OutboxRow(world.out, b"\xff", None, headers)])
    async with relaying(world, producer):
        await until_empty(world)
    consumer = AIOKafkaConsumer(bootstrap_servers=world.settings.kafka_bootstrap_servers)
    await consumer.start()
    consumer.assign([TopicPartition(world.out, 0)])
    consumer.seek(TopicPartition(world.out, 0), 0)
    record = await consumer.getone()
    await consumer.stop()
    assert (record.key, record.value, list(record.headers)) == (b"\xff", None, headers)


async def test_large_rows_are_published_a_few_at_a_time(world: World, topic: Any, producer: AIOKafkaProducer) -> None:
    world.out = await topic("large", config={"max.message.bytes": str(4 * 1024 * 1024 + 65536)})
    values = [bytes([number]) * (4 * 1024 * 1024 - 1024) for number in range(5)]
    await write(world, values)
    async with relaying(world, producer):
        await until_empty(world)
    assert await world.published() == values


async def test_a_row_that_becomes_visible_late_with_a_lower_id_is_not_lost(
    world: World, producer: AIOKafkaProducer
) -> None:
    relay = Relay(database=world.database, producer=producer, process="relay-0")
    async with world.database.pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await outbox.add(slow, [OutboxRow(world.out, b"k", b"slow")])
        await write(world, [b"quick"])
        assert await relay.publish_once() == 1
        assert await relay.publish_once() == 0
        await transaction.commit()
    assert await relay.publish_once() == 1
    assert await relay.publish_once() == 0
    assert await world.published() == [b"quick", b"slow"]
    assert await world.outbox() == []


async def test_what_was_published_from_memory_is_deleted_and_not_repeated(
    world: World, producer: AIOKafkaProducer
) -> None:
    relay = Relay(database=world.database, producer=producer, process="router-0", lease=None)
    rows = [OutboxRow(world.out, b"k", value) for value in (b"1", b"2")]
    async with world.database.transaction() as connection:
        ids = await outbox.add(connection, rows)
    await relay.publish_written(list(zip(ids, rows, strict=True)), 0.0)
    await relay.publish_written(list(zip(ids, rows, strict=True)), 0.0)  # published already
    await write(world, [b"3"])
    assert await relay.publish_once() == 1
    assert await relay.publish_once() == 0
    assert await world.published() == [b"1", b"2", b"3"]
    assert await world.outbox() == []


async def test_lanes_are_served_by_those_who_own_them(world: World, producer: AIOKafkaProducer) -> None:
    await write(world, [b"3"], lane=3)
    await write(world, [b"5"], lane=5)
    mine: set[int] = {3}
    relay = Relay(database=world.database, producer=producer, process="router-0", lease=None, lanes=mine)
    assert await relay.publish_once() == 1
    assert await relay.publish_once({5}) == 1  # left by a former owner
    await write(world, [b"7"], lane=7)
    assert await relay.publish_once() == 0
    mine.add(7)
    assert await relay.publish_once() == 1
    assert await world.published() == [b"3", b"5", b"7"]


async def test_only_the_holder_of_the_lease_publishes(world: World, producer: AIOKafkaProducer) -> None:
    one = Relay(database=world.database, producer=producer, process="relay-0")
    two = Relay(database=world.database, producer=producer, process="relay-1")
    await write(world, [b"0"])
    assert await one.publish_once() == 1
    await write(world, [b"1"])
    assert await two.publish_once() == 0
    assert not two.holds_lease
    assert await one.publish_once() == 1
    assert await world.published() == [b"0", b"1"]


async def test_a_relay_that_ends_lets_the_next_one_in_at_once(world: World, producer: AIOKafkaProducer) -> None:
    await write(world, [b"0"])
    async with relaying(world, producer, lease_seconds=3600):
        await until_empty(world)
    await write(world, [b"1"])
    other = Relay(database=world.database, producer=producer, process="relay-1", lease_seconds=3600)
    assert await other.publish_once() == 1
    assert await world.published() == [b"0", b"1"]


async def test_a_replacement_of_the_same_name_takes_over_and_the_former_process_notices(
    world: World, producer: AIOKafkaProducer
) -> None:
    former = Relay(database=world.database, producer=producer, process="relay-0", lease_seconds=3600)
    await write(world, [b"0"])
    assert await former.publish_once() == 1
    replacement = Relay(database=world.database, producer=producer, process="relay-0", lease_seconds=3600)
    await write(world, [b"1"])
    await replacement.publish_once()
    assert await former.publish_once() == 0
    assert not former.holds_lease
    assert first_appearances(await world.published()) == [b"0", b"1"]


async def test_what_was_published_is_not_published_again_when_the_lease_was_lost_in_between(
    world: World, producer: AIOKafkaProducer
) -> None:
    relay = Relay(database=world.database, producer=producer, process="relay-0")
    await write(world, numbers(3))
    assert await relay.publish_once() == 3
    await world.database.pool.execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 second'")
    assert await relay.publish_once() == 0  # notices the loss
    assert await relay.publish_once() == 0  # has it again, deletes
    assert await world.outbox() == []
    assert await world.published() == numbers(3)


@pytest.mark.parametrize("point", ["relay.taken", "relay.relayed"])
async def test_a_holder_that_is_stopped_beyond_its_lease_loses_nothing_and_reorders_nothing(
    world: World, producer: AIOKafkaProducer, services: list[Service], point: str
) -> None:
    await write(world, numbers(20))
    sleeper = await world.start("relay-0", faults=f"{point}=stop@1", consume=False, lease_seconds=1)
    await world.reached(point)
    async with relaying(world, producer, process="relay-1", lease_seconds=1) as relay:
        await until_empty(world)
        await write(world, numbers(20, 20))
        relay.wake()
        await until_empty(world)
        sleeper.signal(signal.SIGCONT)
        await write(world, numbers(20, 40))
        relay.wake()
        await until_empty(world)
        assert await sleeper.stop() == 0
    assert await world.outbox() == []
    assert first_appearances(await world.published()) == numbers(60)


async def test_a_lease_is_for_one_and_its_token_grows(world: World) -> None:
    async with world.database.pool.acquire() as connection:
        first = await leases.acquire(connection, "x", holder="a", seconds=60)
        assert first is not None
        assert await leases.acquire(connection, "x", holder="b", seconds=60) is None
        assert await leases.renew(connection, "x", first, seconds=60)
        await leases.release(connection, "x", first)
        second = await leases.acquire(connection, "x", holder="b", seconds=60)
        assert second is not None
        assert second > first
        assert not await leases.renew(connection, "x", first, seconds=60)


async def test_an_expired_lease_is_not_renewed(world: World) -> None:
    async with world.database.pool.acquire() as connection:
        token = await leases.acquire(connection, "x", holder="a", seconds=-1)
        assert token is not None
        assert not await leases.renew(connection, "x", token, seconds=60)


async def test_rows_are_counted_while_a_turn_waits(world: World, producer: AIOKafkaProducer, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    faults.configure(f"relay.taken=hold:{go_on}", tmp_path)

    def shown(name: str) -> float:
        return metrics.REGISTRY.get_sample_value(f"okno_outbox_{name}") or 0.0

    async def held() -> bool:
        return (tmp_path / "relay.taken.reached").exists()

    async def both_shown() -> bool:
        return shown("rows") == 3 and shown("oldest_age_seconds") > 0

    async def none_shown() -> bool:
        return shown("rows") == 0

    async with relaying(world, producer, watch_seconds=0.01):
        try:
            await write(world, numbers(1))
            await eventually(held)
            await write(world, numbers(2, start=1))
            await eventually(both_shown)
        finally:
            go_on.touch()
            faults.configure()
        await eventually(none_shown)
