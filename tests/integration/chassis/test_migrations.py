"""Schemas on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from chassis import metrics
from chassis.database import Database
from chassis.migrations import CHASSIS, MigrationRefused, SchemaOutdated, check_schema, migrate
from chassis.probes import Probes
from sandbox.stack.postgres.server import EmbeddedPostgres


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_things.sql").write_text("CREATE TABLE things (id int)")
    (tmp_path / "0002_index.sql").write_text("-- no transaction\nCREATE INDEX CONCURRENTLY things_id ON things (id)")
    return tmp_path


async def test_everything_is_applied_once_and_in_its_schema(database_url: str, folder: Path) -> None:
    folders = [CHASSIS, ("router", folder)]
    applied = await migrate(database_url, schema="router", folders=folders)
    assert applied[-2:] == ["router/0001_things", "router/0002_index"]
    assert await migrate(database_url, schema="router", folders=folders) == []
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT to_regclass('router.things') IS NOT NULL")
    assert await connection.fetchval("SELECT to_regclass('public.things') IS NULL")
    await connection.close()


async def test_two_schemas_of_one_database_are_apart(database_url: str, folder: Path) -> None:
    assert await migrate(database_url, schema="router", folders=[("router", folder)])
    assert await migrate(database_url, schema="ticketing", folders=[("router", folder)])


async def test_many_processes_at_once_apply_everything_once(database_url: str, folder: Path) -> None:
    results = await asyncio.gather(
        *(migrate(database_url, schema="router", folders=[CHASSIS, ("router", folder)]) for _ in range(5))
    )
    assert sorted(map(bool, results)) == [False] * 4 + [True]


async def test_a_failing_migration_leaves_nothing_of_itself(database_url: str, folder: Path) -> None:
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (id int); SELECT 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database_url, schema="router", folders=[("router", folder)])
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (id int)")
    assert await migrate(database_url, schema="router", folders=[("router", folder)]) == ["router/0003_broken"]


async def test_an_applied_file_never_changes(database_url: str, folder: Path) -> None:
    await migrate(database_url, schema="router", folders=[("router", folder)])
    (folder / "0001_things.sql").write_text("CREATE TABLE other (id int)")
    with pytest.raises(MigrationRefused, match="router/0001_things was changed"):
        await migrate(database_url, schema="router", folders=[("router", folder)])


async def test_a_process_refuses_a_schema_that_lacks_what_it_needs(database_url: str, folder: Path) -> None:
    database = await Database.connect(database_url, schema="router", process="router-0")
    with pytest.raises(SchemaOutdated, match="run `okno migrate`"):
        await check_schema(database, [CHASSIS])
    await migrate(database_url, schema="router", folders=[CHASSIS])
    await check_schema(database, [CHASSIS])
    with pytest.raises(SchemaOutdated, match="router/0001_things, router/0002_index"):
        await check_schema(database, [CHASSIS, ("router", folder)])
    await migrate(database_url, schema="router", folders=[("router", folder)])
    await check_schema(database, [CHASSIS])  # code of an earlier version works on the newer schema
    await database.close()


async def test_sessions_have_their_limits(database_url: str) -> None:
    database = await Database.connect(database_url, schema="router", process="router-0")
    for name, value in (
        ("lock_timeout", "5s"),
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "30s"),
        ("plan_cache_mode", "force_generic_plan"),
        ("application_name", "router-0"),
        ("search_path", '"router", public'),
    ):
        assert await database.pool.fetchval(f"SHOW {name}") == value
    assert await database.reachable()
    await database.close()
    assert not await database.reachable()


async def test_a_busy_pool_is_no_reason_to_be_unready(database_url: str, postgres: EmbeddedPostgres) -> None:
    """Answers of one second, as a readiness check may take, behind statements that take longer."""
    database = await Database.connect(database_url, schema="router", process="router-0", max_size=2)
    probes = Probes()
    probes.add_readiness("database", database.reachable)
    async with database.transaction() as one:
        async with database.transaction() as other:
            await other.execute("SELECT pg_advisory_xact_lock(1)")
            waiting = asyncio.create_task(one.execute("SELECT pg_advisory_xact_lock(1)"))
            assert await asyncio.gather(*(probes.unready() for _ in range(5))) == [{}] * 5
            assert not waiting.done()
        await waiting
    await postgres.kill()
    try:
        assert not await database.reachable()
    finally:
        await postgres.restart()
    assert await database.reachable(), "once more, on a new connection"
    await postgres.restart()
    while not (database._beside._connection is None or database._beside._connection.is_closed()):
        await asyncio.sleep(0)
    assert await database.reachable(), "at the first question after a restart"
    await database.close()
    assert not await database.reachable()


async def test_a_transaction_is_rolled_back_by_an_exception(database_url: str, folder: Path) -> None:
    await migrate(database_url, schema="router", folders=[("router", folder)])
    database = await Database.connect(database_url, schema="router", process="router-0", max_size=1)

    async def fails() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO things VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        await fails()
    async with database.transaction() as connection:
        assert await connection.fetchval("SELECT count(*) FROM things") == 0
    await database.close()


async def test_the_pool_says_how_full_it_is_and_how_long_one_waits_for_it(database_url: str) -> None:
    def waits() -> float:
        return metrics.REGISTRY.get_sample_value("okno_database_pool_wait_seconds_count") or 0.0

    def connections(state: str) -> float | None:
        return metrics.REGISTRY.get_sample_value("okno_database_pool_connections", {"state": state})

    before = waits()
    database = await Database.connect(database_url, schema="router", process="router-0")
    async with database.transaction():
        assert (connections("open"), connections("idle")) == (1.0, 0.0)
    assert (connections("open"), connections("idle")) == (1.0, 1.0)
    assert waits() == before + 1
    await database.close()
