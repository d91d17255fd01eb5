"""Two processes that both believe they own a partition: what they read overlaps, what they apply doesn't."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from chassis import positions
from chassis.batches import Batches, Outcome, UnknownPosition
from chassis.clock import SystemClock
from chassis.consumer import Record
from chassis.database import Connection, Database
from chassis.dead_letter_share import Limit
from chassis.positions import LogGap
from tests.integration.chassis.world import see

TP, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def batches(database: Database, handle: Any = see, *, compacted: bool = False) -> Batches:
    return Batches(
        consumer="c",
        process="p",
        database=database,
        handle=handle,
        decode=None,
        compacted=lambda _: compacted,
        clock=SystemClock(),
        limit=Limit(),
        dead_letter_lane=lambda *_: 0,
        fault_prefix="c",
    )


def raws(*offsets: int, tp: TopicPartition = TP) -> list[Any]:
    return [ConsumerRecord(*tp, offset, 1, 0, b"k", str(offset).encode(), None, 0, 0, ()) for offset in offsets]


async def stand_at(database: Database, offsets: dict[TopicPartition, int]) -> None:
    async with database.transaction() as connection:
        await positions.create(connection, "c", offsets, "cluster")


async def whole(one: Batches, *offsets: int, fetched_from: int | None = None) -> Outcome:
    return await one.whole({TP: raws(*offsets)}, {} if fetched_from is None else {TP: fetched_from})


async def seen(database: Database, partition: int = 0) -> list[int]:
    rows = await database.pool.fetch("SELECT record_offset FROM seen WHERE partition = $1 ORDER BY id", partition)
    return [row["record_offset"] for row in rows]


async def stored(database: Database) -> dict[TopicPartition, int]:
    async with database.transaction() as connection:
        return {tp: one.next_offset for tp, one in (await positions.load(connection, "c", [TP, OTHER])).items()}


async def test_what_another_process_did_meanwhile_is_dropped(database: Database) -> None:
    await stand_at(database, {TP: 0})
    zombie, owner = batches(database), batches(database)
    await whole(owner, 0, 1, 2)
    outcome = await whole(zombie, 0, 1, 2, 3, 4)
    assert outcome.positions == {TP: 5}
    assert await seen(database) == [0, 1, 2, 3, 4]
    assert await stored(database) == {TP: 5}


async def test_a_batch_that_was_done_altogether_changes_nothing_and_is_sought_over(database: Database) -> None:
    await stand_at(database, {TP: 7})
    outcome = await whole(batches(database), 3, 4, 5)
    assert outcome.positions == {}
    assert outcome.seek == {TP: 7}
    assert await stored(database) == {TP: 7}
    assert await seen(database) == []


async def test_a_batch_beyond_the_position_is_read_again_from_there(database: Database) -> None:
    await stand_at(database, {TP: 3})
    outcome = await whole(batches(database), 5, 6, fetched_from=5)
    assert outcome.seek == {TP: 3}
    assert await seen(database) == []
    assert await stored(database) == {TP: 3}


async def test_a_compacted_topic_may_have_gaps(database: Database) -> None:
    await stand_at(database, {TP: 3})
    outcome = await whole(batches(database, compacted=True), 5, 9, fetched_from=3)
    assert outcome.positions == {TP: 10}
    assert await seen(database) == [5, 9]
    assert await stored(database) == {TP: 10}


async def test_a_lost_seek_is_no_gap_of_a_compacted_topic(database: Database) -> None:
    await stand_at(database, {TP: 3})
    outcome = await whole(batches(database, compacted=True), 5, 9, fetched_from=5)
    assert outcome.seek == {TP: 3}
    assert await seen(database) == []


async def test_a_gap_in_another_topic_stops_the_consumer(database: Database) -> None:
    await stand_at(database, {TP: 3})
    with pytest.raises(LogGap, match=r"offsets 3 to 4 are missing in its log.*okno positions accept app c t 0 5"):
        await whole(batches(database), 5, 6, fetched_from=3)
    assert await stored(database) == {TP: 3}


async def test_partitions_of_one_batch_are_judged_each_by_itself(database: Database) -> None:
    await stand_at(database, {TP: 2, OTHER: 8})
    outcome = await batches(database).whole({OTHER: raws(9, tp=OTHER), TP: raws(0, 1, 2)}, {OTHER: 9})
    assert outcome.positions == {TP: 3}
    assert outcome.seek == {OTHER: 8}
    assert await seen(database) == [2]
    assert await stored(database) == {TP: 3, OTHER: 8}


async def test_a_partition_without_a_position_is_not_handled(database: Database) -> None:
    with pytest.raises(UnknownPosition):
        await whole(batches(database), 0)
    assert await seen(database) == []


@pytest.mark.parametrize("commits", [True, False])
async def test_while_one_process_is_in_its_transaction_another_waits_and_then_knows(
    database: Database, commits: bool
) -> None:
    await stand_at(database, {TP: 0})
    inside, go = asyncio.Event(), asyncio.Event()

    async def slow(records: Sequence[Record], connection: Connection) -> None:
        await see(records, connection, "zombie")
        inside.set()
        await go.wait()
        if not commits:
            raise KeyError("failed after all")

    zombie = asyncio.create_task(whole(batches(database, slow), 0, 1, 2))
    await inside.wait()
    owner = asyncio.create_task(whole(batches(database), 0, 1, 2, 3))

    async def waits() -> bool:
        return bool(
            await database.pool.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        )

    from tests.integration.chassis.world import eventually

    await eventually(waits)
    go.set()
    await asyncio.gather(zombie, return_exceptions=True)
    assert (await owner).positions == {TP: 4}
    assert await seen(database) == [0, 1, 2, 3]
    rows = await database.pool.fetch("SELECT process FROM seen ORDER BY id")
    assert [row["process"] for row in rows] == ["zombie"] * 3 * commits + ["test"] * (1 if commits else 4)


async def test_two_owners_of_several_partitions_do_not_deadlock(database: Database) -> None:
    await stand_at(database, {TP: 0, OTHER: 0})
    one, two = batches(database), batches(database)
    for offset in range(50):
        both = {TP: raws(offset), OTHER: raws(offset, tp=OTHER)}
        await asyncio.gather(
            one.whole(both, {TP: offset, OTHER: offset}),
            two.whole(dict(reversed(both.items())), {TP: offset, OTHER: offset}),
        )
    assert await seen(database) == await seen(database, 1) == list(range(50))
