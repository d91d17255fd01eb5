"""A backup for tests: a copy of a database, and what two databases say row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg

from chassis.database import Connection
from sandbox.stack.postgres.server import EmbeddedPostgres

Rows = dict[str, list[dict[str, Any]]]

CHASSIS = frozenset({"positions", "leases", "attempts", "outbox", "dead_letter_shares", "migrations"})
"""Not what a service knows, but where it stands."""


@asynccontextmanager
async def copied(postgres: EmbeddedPostgres, dsn: str) -> AsyncIterator[str]:
    """The DSN of a copy as the database is now. Nobody may be connected to the original."""
    name = f"copy_{uuid4().hex[:8]}"
    try:
        yield await postgres.create_database(name, template=dsn.rpartition("/")[2])
    finally:
        await postgres.drop_database(name)


async def rows(dsn: str, schema: str, *, without: Collection[str] = (), blind: Mapping[str, Collection[str]]) -> Rows:
    """All rows of a schema by table, in an order of their own. `blind`: columns of tables that aren't looked at."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
        found: Rows = {}
        for name in sorted({row[0] for row in tables} - CHASSIS - set(without)):
            read = [dict(row) for row in await connection.fetch(f'SELECT * FROM "{schema}"."{name}"')]
            for row in read:
                for column in blind.get(name, ()):
                    del row[column]
            found[name] = sorted(read, key=repr)
        return found
    finally:
        await connection.close()


def differences(found: Rows, expected: Rows) -> list[str]:
    """Row by row and column by column, where two databases differ."""
    said = []
    for table in sorted(found.keys() | expected.keys()):
        here, there = found.get(table, []), expected.get(table, [])
        if len(here) != len(there):
            said.append(f"{table}: {len(here)} rows, not {len(there)}")
        for one, other in zip(here, there, strict=False):
            said += [f"{table}.{name}: {one[name]!r}, not {other[name]!r}" for name in one if one[name] != other[name]]
    return said


async def look_set_back(connection: Connection, *processes: str) -> None:
    """As after a backup was brought back: the mark is of another run of the server, and connections have ended."""
    await connection.execute("UPDATE compared_database SET server_started_at = server_started_at - interval '1 s'")
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = ANY($1::text[])",
        list(processes),
    )
