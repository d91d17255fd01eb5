"""How long a statement may take, and whether PostgreSQL answers at all."""

import asyncio
from typing import Any

import asyncpg
import pytest

from chassis.database import Database

LONG = "SELECT pg_sleep(0.5)"


async def test_a_statement_is_given_up_after_the_time_that_the_caller_gives_it(database_url: str) -> None:
    connect = Database.connect
    impatient = await connect(database_url, schema="public", process="test", command_seconds=0.05)
    with pytest.raises(TimeoutError):
        await impatient.pool.execute(LONG)
    await impatient.close()
    patient = await connect(database_url, schema="public", process="test", command_seconds=60.0)
    await patient.pool.execute(LONG)
    await patient.close()


async def test_a_server_too_slow_for_one_probe_is_ready_for_the_next(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.connect(database_url, schema="public", process="test")
    connect: Any = asyncpg.connect
    connections, slow = list[object](), asyncio.Event()

    async def connected(*arguments: object, **more: object) -> object:
        await slow.wait()
        connections.append(await connect(*arguments, **more))
        return connections[-1]

    monkeypatch.setattr(asyncpg, "connect", connected)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await database.reachable()
    slow.set()
    assert await database.reachable()
    assert await database.reachable()
    assert len(connections) == 1
    await database.close()


async def test_a_server_without_room_for_one_more_connection_answers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise asyncpg.TooManyConnectionsError("sorry, too many clients already")

    database = await Database.connect(database_url, schema="public", process="test")
    monkeypatch.setattr(asyncpg, "connect", refused)
    assert await database.reachable()
    async with database.connection() as connection:
        connection.terminate()
        assert not await database.reachable(), "whoever has no connection at all can't work"
    await database.close()
