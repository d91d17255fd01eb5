"""The consumer on a real Kafka and a real PostgreSQL: each record is handled once, in order, whatever it contains."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from chassis import metrics
from chassis.batches import Outcome
from chassis.consumer import Record
from chassis.database import Connection
from chassis.dead_letter_share import Limit, TooManyDeadLetters, reset
from chassis.dead_letters import parse
from chassis.errors import Transient
from chassis.kafka import group_offset
from chassis.polling import UnreadableLog
from contracts.codec import decode
from contracts.topics import dead_topic
from tests.integration.chassis.world import World, eventually, see
from tests.unit.chassis.examples import encoded_read_thread


def numbers(count: int, start: int = 0) -> list[bytes]:
    return [str(number).encode() for number in range(start, start + count)]


def oldest_age(consumer: str) -> float:
    name = "okno_consumer_oldest_event_age_seconds"
    return metrics.REGISTRY.get_sample_value(name, {"consumer": consumer}) or 0.0


async def dead_letters(world: World) -> list[Any]:
    rows = [row for row in await world.outbox() if row.topic == dead_topic(world.topic)]
    return [parse(row.topic, 0, 0, row.key, row.value, row.headers) for row in rows]


async def test_records_are_handled_once_in_order_and_the_position_moves(world: World) -> None:
    await world.produce(numbers(100))
    async with world.consuming():
        await world.until_position(100)
        await world.produce(numbers(50, 100))
        await world.until_position(150)
    assert await world.seen() == numbers(150)


async def test_a_restart_goes_on_where_the_database_stands(world: World) -> None:
    await world.produce(numbers(10))
    async with world.consuming():
        await world.until_position(10)
    await world.produce(numbers(10, 10))
    async with world.consuming():
        await world.until_position(20)
    assert await world.seen() == numbers(20)


async def test_the_group_offset_follows_and_is_there_at_the_end(world: World) -> None:
    place = TopicPartition(world.topic, 0)
    await world.produce(numbers(10))
    async with world.consuming():
        await world.until_position(10)

        async def committed() -> bool:
            return await group_offset(world.settings, world.consumer, place) == 10

        await eventually(committed)
        await world.produce(numbers(5))
        await world.until_position(15)
    assert await group_offset(world.settings, world.consumer, place) == 15


async def test_after_commit_follows_each_commit_and_comes_before_the_next_batch(world: World) -> None:
    order: list[str] = []

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        order.append(f"handle {records[0].offset}")
        await see(records, connection)

    async def after(outcome: Outcome | None) -> None:
        assert outcome is not None
        order.append(f"after {await world.position()}")

    await world.produce(numbers(3))
    async with world.consuming(handle=handle, after_commit=after, max_records=1):
        await world.until_position(3)
    assert order == ["handle 0", "after 1", "handle 1", "after 2", "handle 2", "after 3"]


async def test_what_follows_a_commit_is_repeated_until_it_works(world: World) -> None:
    calls = 0
    ages: list[float] = []

    async def after(_: Outcome | None) -> None:
        nonlocal calls
        calls += 1
        ages.append(oldest_age(world.consumer))
        if calls < 3:
            raise Transient("Kafka is away")

    await world.produce(numbers(3))
    async with world.consuming(after_commit=after):
        await world.until_position(3)

        async def repeated() -> bool:
            return calls >= 3

        await eventually(repeated)
    assert await world.seen() == numbers(3)
    assert ages[0] > 0
    assert ages[1:] == [0, 0], "all is processed: nothing is in hand that grows old"


@pytest.mark.parametrize("meanwhile", [1, 3], ids=["a part of the batch", "all of it"])
async def test_what_another_process_committed_after_the_assignment_is_followed_up(world: World, meanwhile: int) -> None:
    """It may have died before its own `after_commit`: what it left comes before what the next batch brings."""
    told: list[tuple[bool, list[bytes]]] = []

    async def assigned(_: frozenset[tuple[str, int]]) -> None:
        await world.database.pool.execute("UPDATE positions SET next_offset = $1", meanwhile)

    async def after(outcome: Outcome | None) -> None:
        told.append((outcome is None, await world.seen()))

    await world.produce(numbers(3))
    async with world.consuming(on_assigned=assigned, after_commit=after):
        await world.until_position(3)

        async def followed_up() -> bool:
            return bool(told)

        await eventually(followed_up)
        assert told == [(True, numbers(3)[meanwhile:])]

        async def committed() -> bool:
            return await group_offset(world.settings, world.consumer, TopicPartition(world.topic, 0)) == 3

        await eventually(committed)
        await world.produce(numbers(1, 3))
        await world.until_position(4)
    assert told[1:] == [(False, numbers(4)[meanwhile:])]


async def test_the_assignment_is_told_before_its_first_batch(world: World) -> None:
    told: list[Any] = []

    async def assigned(partitions: frozenset[tuple[str, int]]) -> None:
        told.append(partitions)
        assert await world.seen() == []

    await world.produce(numbers(3))
    async with world.consuming(on_assigned=assigned) as consumer:
        await world.until_position(3)
        assert consumer.ready()
        assert consumer.partitions == {(world.topic, 0)}
    assert told == [{(world.topic, 0)}]


@pytest.mark.parametrize("value", [b"poison", b"bug"])
async def test_a_poison_record_is_dead_lettered_at_the_third_attempt_and_its_neighbours_are_applied_once(
    world: World, value: bytes
) -> None:
    batches: list[int] = []

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        batches.append(len(records))
        await see(records, connection)

    await world.produce([*numbers(5), value, *numbers(5, 5)], headers=[("ce_id", b"7"), ("odd", b"\xff")])
    async with world.consuming(handle=handle):
        await world.until_position(11)
    assert await world.seen() == numbers(10)
    assert batches == [11, 11, *[1] * 12]  # two attempts as a whole, the third one by one, the culprit twice
    [letter] = await dead_letters(world)
    assert (letter.origin_topic, letter.origin_partition, letter.origin_offset) == (world.topic, 0, 5)
    assert (letter.key, letter.value) == (b"k", value)
    assert letter.headers == [("ce_id", b"7"), ("odd", b"\xff")]
    assert letter.cause == {b"poison": "poisonous", b"bug": "KeyError"}[value]
    assert letter.attempts == 3
    assert await world.database.pool.fetchval("SELECT count(*) FROM attempts") == 0


async def test_a_failure_that_does_not_come_twice_costs_no_record_beside_the_culprit(world: World) -> None:
    """As when another transaction wrote the same row first: what it wrote is seen at the next look."""
    lost: list[bytes | None] = []

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        if len(records) == 1 and records[0].value not in {b"bug", *lost}:
            lost.append(records[0].value)
            await connection.execute("INSERT INTO seen SELECT 1, '', 0, 0, NULL, '' FROM generate_series(1, 2)")
        await see(records, connection)

    await world.produce([*numbers(3), b"bug", *numbers(3, 3)])
    async with world.consuming(handle=handle):
        await world.until_position(7)
    assert lost == await world.seen() == numbers(6)
    assert [letter.value for letter in await dead_letters(world)] == [b"bug"]


async def test_attempts_are_remembered_over_restarts(world: World) -> None:
    await world.produce([b"0", b"bug", b"1"])
    attempts = 0

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        if len(records) > 1:  # an end of the process that isn't its death
            consumer.stop()
        await see(records, connection)

    for _ in range(2):
        async with world.consuming(handle=handle) as consumer:

            async def failed(before: int = attempts) -> bool:
                return attempts > before

            await eventually(failed)
    assert attempts == 2
    async with world.consuming():
        await world.until_position(3)
    assert await world.seen() == [b"0", b"1"]
    assert [letter.attempts for letter in await dead_letters(world)] == [3]


async def test_a_data_error_is_dead_lettered_at_once(world: World) -> None:
    batches: list[int] = []

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        batches.append(len(records))
        await see(records, connection)

    await world.produce([b"0", b"data", b"1"])
    async with world.consuming(handle=handle):
        await world.until_position(3)
    assert batches == [3, 1, 1, 1]
    assert await world.seen() == [b"0", b"1"]
    assert [letter.cause for letter in await dead_letters(world)] == ["impossible"]


async def test_what_postgresql_cannot_store_is_a_data_error(world: World) -> None:
    async def handle(records: Sequence[Record], connection: Connection) -> None:
        for record in records:
            await connection.execute("SELECT $1::text", (record.value or b"").decode())
        await see(records, connection)

    await world.produce([b"0", b"NUL \x00", b"1"])
    async with world.consuming(handle=handle):
        await world.until_position(3)
    assert await world.seen() == [b"0", b"1"]
    assert [letter.cause for letter in await dead_letters(world)] == ["sql_22021"]


async def test_records_that_break_their_contract_are_dead_lettered_each_by_itself(world: World) -> None:
    good = encoded_read_thread()
    named = dict(good.headers)
    broken: list[tuple[bytes | None, Any]] = [
        (b"\xff\xfe not UTF-8", good.headers),
        (b"{", good.headers),
        (b"[]", good.headers),
        (None, good.headers),
        (good.value, []),
        (good.value, [*good.headers[1:], ("ce_id", b"\xff")]),
        (good.value, list((named | {"ce_type": b"nobody.knows"}).items())),
        (good.value, list((named | {"ce_time": b"yesterday"}).items())),
    ]
    for value, headers in broken:
        await world.produce([good.value], headers=good.headers)
        await world.produce([value], headers=headers)
    await world.produce([good.value], headers=good.headers)
    envelopes: list[Any] = []

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        envelopes.extend(record.envelope for record in records)
        await see(records, connection)

    count = 2 * len(broken) + 1
    async with world.consuming(handle=handle, decode=decode):
        await world.until_position(count)
    assert await world.seen_offsets() == list(range(0, count, 2))
    assert [letter.origin_offset for letter in await dead_letters(world)] == list(range(1, count, 2))
    assert [letter.value for letter in await dead_letters(world)] == [value for value, _ in broken]
    assert all(envelope.id == "r1" for envelope in envelopes)


async def test_a_transient_error_is_retried_and_never_dead_lettered(world: World) -> None:
    failures = 0

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        nonlocal failures
        await see(records, connection)
        if failures < 6:
            failures += 1
            raise Transient("not yet")

    await world.produce(numbers(5))
    async with world.consuming(handle=handle):
        await world.until_position(5)
    assert await world.seen() == numbers(5)
    assert await dead_letters(world) == []


async def test_a_transient_error_that_lasts_ends_the_process_and_counts_as_no_attempt(world: World) -> None:
    from chassis.backoff import Backoff

    await world.produce([b"0", b"transient"])
    for _ in range(4):
        with pytest.raises(Transient):
            await world.make_consumer(backoff=Backoff(patience=0.2)).run()
    assert await world.seen() == []
    rows = await world.database.pool.fetch("SELECT starts, starts_alone, failures FROM attempts")
    assert [tuple(row) for row in rows] == [(0, 0, 0)]


async def test_too_many_dead_letters_stop_the_consumer_with_its_position_unmoved(world: World) -> None:
    limit = Limit(share=0.5, least=5, window=100)
    await world.produce(numbers(4))
    async with world.consuming(dead_letter_limit=limit):
        await world.until_position(4)
    await world.produce([b"data"] * 20)
    for _ in range(2):  # a restart doesn't drain it either
        with pytest.raises(TooManyDeadLetters, match=r"okno dead-letters allow app app.in"):
            await world.make_consumer(dead_letter_limit=limit).run()
        assert await world.position() == 4
        assert await dead_letters(world) == []
    async with world.database.transaction() as connection:
        await reset(connection, world.consumer)
    async with world.consuming(dead_letter_limit=Limit(share=0.5, least=50)):
        await world.until_position(24)
    assert len(await dead_letters(world)) == 20


async def test_the_share_of_dead_letters_outlives_the_process(world: World) -> None:
    limit = Limit(share=0.5, least=5, window=100)
    await world.produce([b"data"] * 4)
    async with world.consuming(dead_letter_limit=limit):
        await world.until_position(4)
    await world.produce([b"data"])
    with pytest.raises(TooManyDeadLetters):
        await world.make_consumer(dead_letter_limit=limit).run()


async def test_tombstones_of_a_compacted_topic_reach_the_handler(world: World) -> None:
    envelopes: list[Any] = []

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        envelopes.extend((record.value, record.envelope) for record in records)
        await see(records, connection)

    await world.produce([None], key=b"gone")
    async with world.consuming(handle=handle, compacted=lambda _: True, decode=decode):
        await world.until_position(1)
    assert envelopes == [(None, None)]


async def test_a_record_of_four_megabytes_passes(world: World, topic: Any) -> None:
    world.topic = await topic("large", config={"max.message.bytes": str(4 * 1024 * 1024 + 65536)})
    large = b"x" * (4 * 1024 * 1024)
    await world.produce([b"0", large, b"1", large, b"2"])
    async with world.consuming():
        await world.until_position(5)
    assert [len(value) for value in await world.seen()] == [1, len(large), 1, len(large), 1]


async def test_stopping_finishes_and_commits_the_batch_in_hand(world: World) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        inside.set()
        await go.wait()
        await see(records, connection)

    await world.produce(numbers(5))
    consumer = world.make_consumer(handle=handle)
    running = asyncio.create_task(consumer.run())
    await inside.wait()
    consumer.stop()
    go.set()
    await running
    assert await world.seen() == numbers(5)
    assert await world.position() == 5
    assert await group_offset(world.settings, world.consumer, TopicPartition(world.topic, 0)) == 5


async def test_records_that_the_client_cannot_read_stop_the_consumer_at_once(world: World) -> None:
    """A header's name that isn't UTF-8: no client writes such, so the bytes are broken by hand."""
    import struct

    from aiokafka import AIOKafkaProducer
    from aiokafka.record.default_records import DefaultRecordBase
    from aiokafka.record.util import calc_crc32c

    async with AIOKafkaProducer(bootstrap_servers=world.settings.kafka_bootstrap_servers) as producer:
        batch = producer.create_batch()
        batch.append(timestamp=1, key=b"k", value=b"0", headers=[("name", b"")])
        data = batch._build()
        begin = data.index(b"name")
        data[begin : begin + 4] = b"\xff\xfe\xfd\xfc"
        checksum = calc_crc32c(bytes(data[DefaultRecordBase.ATTRIBUTES_OFFSET :]))
        struct.pack_into(">I", data, DefaultRecordBase.CRC_OFFSET, checksum)
        await (await producer.send_batch(batch, world.topic, partition=0))
    with pytest.raises(UnreadableLog, match="can't be read from Kafka"):
        await world.make_consumer().run()
    assert await world.position() == 0
