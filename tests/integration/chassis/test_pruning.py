"""Pruning in portions: what is old goes, what is young or in somebody's hand stays, nobody waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import ManualClock
from chassis.database import Database
from chassis.pruning import REPEATABLE, Pruner, Rule, by_age, leftovers

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def things(database: Database) -> Database:
    """25 rows, one an hour, the last of them now."""
    await database.pool.execute("CREATE TABLE things (id int PRIMARY KEY, at timestamptz NOT NULL)")
    await database.pool.execute(
        "INSERT INTO things SELECT n, $1::timestamptz - n * interval '1 hour' FROM generate_series(0, 24) n", NOW
    )
    return database


async def left(database: Database) -> list[int]:
    return [row["id"] for row in await database.pool.fetch("SELECT id FROM things ORDER BY id")]


def pruner(database: Database, age: timedelta, at: datetime = NOW, portion: int = 4) -> Pruner:
    return Pruner(database, [by_age("things", "at", age)], clock=ManualClock(at), portion=portion)


async def test_what_is_older_goes_over_several_portions_and_the_rest_stays(things: Database) -> None:
    assert await pruner(things, timedelta(hours=10)).prune() == {"things": 14}
    assert await left(things) == list(range(11)), "what is exactly so old is not older"


async def test_every_portion_is_a_transaction_of_its_own(things: Database) -> None:
    await things.pool.execute("CREATE TABLE portions (transaction xid8)")
    counted = """
WITH gone AS (DELETE FROM things WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM things WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING id)
INSERT INTO portions SELECT pg_current_xact_id() FROM gone"""
    rule = Rule("things", counted, timedelta(hours=10))
    await Pruner(things, [rule], clock=ManualClock(NOW), portion=5).prune()
    sizes = await things.pool.fetch("SELECT count(*) AS rows FROM portions GROUP BY transaction ORDER BY 1 DESC")
    assert [row["rows"] for row in sizes] == [5, 5, 4]


async def test_a_row_in_somebodys_hand_is_left_for_the_next_turn(things: Database) -> None:
    async with things.transaction() as connection:
        await connection.execute("SELECT FROM things WHERE id = 20 FOR UPDATE")
        async with asyncio.timeout(4):  # lock_timeout is 5 s: nobody waited
            assert await pruner(things, timedelta(hours=10)).prune() == {"things": 13}
    assert await pruner(things, timedelta(hours=10)).prune() == {"things": 1}


async def test_two_pruners_at_once_remove_each_row_once(things: Database) -> None:
    counts = await asyncio.gather(*(pruner(things, timedelta(hours=10), portion=2).prune() for _ in range(3)))
    assert sum(count["things"] for count in counts) == 14
    assert await left(things) == list(range(11))


async def test_without_a_clock_the_databases_own_counts(things: Database) -> None:
    await things.pool.execute("UPDATE things SET at = clock_timestamp() - id * interval '1 hour'")
    rule = by_age("things", "at", timedelta(hours=10, minutes=30))
    assert await Pruner(things, [rule]).prune() == {"things": 14}


async def test_a_rule_that_has_to_wait_too_long_costs_the_others_nothing(things: Database) -> None:
    impatient = """
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '100ms', true)), held AS (
    SELECT id FROM things, patience WHERE at < $1 LIMIT $2 FOR UPDATE OF things
) DELETE FROM things USING held WHERE things.id = held.id"""
    rules = [Rule("waits", impatient, timedelta(hours=10)), by_age("things", "at", timedelta(hours=10))]
    async with things.transaction() as connection:
        await connection.execute("SELECT FROM things WHERE id = 20 FOR UPDATE")
        assert await Pruner(things, rules, clock=ManualClock(NOW)).prune() == {"things": 13}


async def test_a_stopped_pruner_begins_nothing_new(things: Database) -> None:
    one = pruner(things, timedelta(hours=10))
    one.stop()
    assert await one.prune() == {}
    async with asyncio.timeout(5):
        await one.run()
    assert len(await left(things)) == 25


async def test_positions_that_are_read_or_were_accepted_stay(database: Database) -> None:
    """A compacted topic keeps the records that a person has accepted: without the row the service refuses again."""
    rows = [("app", "read"), ("app", "left"), ("gone", "read"), ("published", "desk.staff.v1")]
    await database.pool.executemany(
        "INSERT INTO positions (consumer, topic, partition, next_offset, cluster_id, updated_at)"
        " VALUES ($1, $2, 0, 7, 'c', $3)",
        [(*row, NOW - REPEATABLE - DAY) for row in rows],
    )
    await Pruner(database, leftovers({"app": ["read"]}), clock=ManualClock(NOW)).prune()
    left = await database.pool.fetch("SELECT consumer, topic FROM positions ORDER BY consumer")
    assert [tuple(row) for row in left] == [("app", "read"), ("published", "desk.staff.v1")]
