"""A schema has exactly the migrations that its code knows, applied once, in order, by one process at a time.

Plain SQL files, `0001_name.sql`, in one folder per component. Each runs in its own transaction, unless its first line
is `-- no transaction` (for CREATE INDEX CONCURRENTLY). An applied file never changes: its checksum is compared.
Expand before contract: code that is one version behind keeps working on the newer schema.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from chassis.database import Connection, Database
from chassis.errors import Fatal

Folders = Sequence[tuple[str, Path]]
"""Components in order, each with its folder: [CHASSIS, ("router", Path("services/router/migrations"))]."""

CHASSIS: tuple[str, Path] = ("chassis", Path(__file__).parent / "migrations")

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
# Tried, not waited for: CREATE INDEX CONCURRENTLY waits for every statement under way, so also for one that waits here.
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('okno migrate ' || $1, 0))"
LOCK_PAUSE_SECONDS = 0.1

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    component text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (component, number)
)"""


class SchemaOutdated(Fatal):
    """The database lacks migrations that this code needs."""


class MigrationRefused(Fatal):
    """The files can't be applied as they are: a number missing or twice, or an applied file was changed."""


@dataclass(frozen=True, slots=True)
class Migration:
    component: str
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        return not self.sql.startswith("-- no transaction")


def migrations_in(component: str, folder: Path) -> list[Migration]:
    """The files of one component in order. Raises MigrationRefused when they aren't numbered 1, 2, 3, ..."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise MigrationRefused(f"{path}: a migration is named like 0001_what_it_does.sql")
        found.append(Migration(component, int(match[1]), path.stem, path.read_text()))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationRefused(f"{folder}: migrations must be numbered 0001, 0002, ... without gap or repetition")
    return found


async def migrate(dsn: str, *, schema: str, folders: Folders) -> list[str]:
    """Bring the schema up to date; answers with the names of what was applied. Safe to run from many processes."""
    known = [migration for component, folder in folders for migration in migrations_in(component, folder)]
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "okno migrate", "jit": "off"})
    try:
        while not await connection.fetchval(_LOCK, schema):
            await asyncio.sleep(LOCK_PAUSE_SECONDS)
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute(f'SET search_path TO "{schema}", public')
        await connection.execute("SET lock_timeout TO '10s'")
        await connection.execute(_TABLE)
        missing = _missing(known, await _applied(connection))
        for migration in missing:
            await _apply(connection, migration)
        return [f"{migration.component}/{migration.name}" for migration in missing]
    finally:
        await connection.close()  # ends the advisory lock too


async def check_schema(database: Database, folders: Folders) -> None:
    """Raises SchemaOutdated unless every migration that the code knows was applied. For the start and readiness."""
    known = [migration for component, folder in folders for migration in migrations_in(component, folder)]
    try:
        async with database.pool.acquire() as connection:
            applied = await _applied(connection)
    except asyncpg.UndefinedTableError:
        applied = {}
    missing = _missing(known, applied)
    if missing:
        names = ", ".join(f"{migration.component}/{migration.name}" for migration in missing)
        raise SchemaOutdated(f"schema {database.schema!r} lacks migrations ({names}): run `okno migrate`")


async def _applied(connection: Connection) -> dict[tuple[str, int], str]:
    rows = await connection.fetch("SELECT component, number, checksum FROM schema_migrations")
    return {(row["component"], row["number"]): row["checksum"] for row in rows}


def _missing(known: Sequence[Migration], applied: dict[tuple[str, int], str]) -> list[Migration]:
    missing = []
    for migration in known:
        checksum = applied.get((migration.component, migration.number))
        if checksum is None:
            missing.append(migration)
        elif checksum != migration.checksum:
            raise MigrationRefused(
                f"{migration.component}/{migration.name} was changed after it was applied: write a new one instead"
            )
    return missing


async def _apply(connection: Connection, migration: Migration) -> None:
    if migration.in_transaction:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await _record(connection, migration)
    else:
        await connection.execute(migration.sql)
        await _record(connection, migration)


async def _record(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO schema_migrations (component, number, name, checksum) VALUES ($1, $2, $3, $4)",
        migration.component,
        migration.number,
        migration.name,
        migration.checksum,
    )
