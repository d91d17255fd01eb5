"""PostgreSQL slower than the group's session: consumers slow down with it, and stay members."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chassis.consumer import Record
from chassis.database import Connection
from chassis.kafka import SESSION_SECONDS
from tests.integration.chassis.world import World, eventually, see

LONG = SESSION_SECONDS + 2.0


class Assignments:
    """How often the group gave this member its partitions: once, unless it had left or was thrown out."""

    def __init__(self) -> None:
        self.number = 0

    async def __call__(self, _: Any) -> None:
        self.number += 1


async def test_a_lock_held_longer_than_the_session_costs_no_membership(world: World) -> None:
    assignments = Assignments()
    async with world.consuming(on_assigned=assignments):
        await world.produce([b"0"])
        await world.until_position(1)
        async with world.database.transaction() as other:
            await other.execute("LOCK TABLE seen IN ACCESS EXCLUSIVE MODE")
            await world.produce([b"1", b"2"])
            await eventually(waiting_for_a_lock(world))
            await other.execute("SELECT pg_sleep($1)", LONG)
            assert await world.position() == 1
        await world.until_position(3)
        await world.produce([b"3"])
        await world.until_position(4)
    assert await world.seen() == [b"0", b"1", b"2", b"3"]
    assert assignments.number == 1


async def test_a_statement_longer_than_the_session_costs_no_membership(world: World) -> None:
    assignments = Assignments()
    slept = asyncio.Event()

    async def slow(records: Sequence[Record], connection: Connection) -> None:
        if not slept.is_set():
            await connection.execute("SELECT pg_sleep($1)", LONG)
            slept.set()
        await see(records, connection)

    async with world.consuming(on_assigned=assignments, handle=slow):
        await world.produce([b"0"])
        await world.until_position(1)
        await world.produce([b"1"])
        await world.until_position(2)
    assert await world.seen() == [b"0", b"1"]
    assert assignments.number == 1


def waiting_for_a_lock(world: World) -> Callable[[], Awaitable[bool]]:
    """The consumer's transaction has reached the lock."""

    async def waits() -> bool:
        found: bool = await world.database.pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'seen'::regclass)"
        )
        return found

    return waits
