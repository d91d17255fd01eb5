"""A process writes only to a database that was compared with the log: an earlier copy would hide what the log has more.

However an earlier state comes back, the mark that comes with it (`compared_database` of a schema) is of another one:

- copied files, a snapshot, point-in-time recovery, a standby that took over: that server was started at another time;
- a copy inside the server (`CREATE DATABASE ... TEMPLATE`): the database has another OID;
- a dump that was read back: another transaction wrote the row (its `xmin`) than the one that the row names.

All of them end the connections that there were, so a look at each new one is enough. A mere restart of PostgreSQL
looks the same, so it is compared again. Two things aren't seen: a dump of single tables that is read back over a
database that goes on, and a virtual machine that is set back with its memory, in which the server goes on as the one
that was compared.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chassis import migrations, published
from chassis.database import Connection, Database
from chassis.error_text import describe
from chassis.errors import Fate, Transient, fate_of
from chassis.faults import fault_point
from chassis.lifecycle import ProcessContext
from chassis.logs import get_logger
from chassis.published import Missing
from chassis.settings import KafkaSettings

SECONDS = 1.0
log = get_logger("compared")

_THIS = """
SELECT pg_postmaster_start_time() AS server_started_at, oid AS database_oid
FROM pg_database WHERE datname = current_database()"""
_MARK = """
INSERT INTO compared_database (server_started_at, database_oid, written_by, compared_at)
VALUES ($1, $2, pg_current_xact_id()::xid, now())
ON CONFLICT (single) DO UPDATE
SET server_started_at = excluded.server_started_at, database_oid = excluded.database_oid,
    written_by = excluded.written_by, compared_at = excluded.compared_at"""
_COMPARED = f"""
SELECT EXISTS (
    SELECT FROM compared_database c JOIN ({_THIS}) AS this USING (server_started_at, database_oid)
    WHERE c.written_by = c.xmin
)"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """A server's run, and the database in it."""

    server_started_at: datetime
    database_oid: int


async def this_database(connection: Connection) -> DatabaseIdentity:
    """The one behind this connection. To be asked before it is compared, and marked with the answer."""
    row = await connection.fetchrow(_THIS)
    assert row is not None  # noqa: S101
    return DatabaseIdentity(row["server_started_at"], row["database_oid"])


async def mark(connection: Connection, compared: DatabaseIdentity) -> None:
    """`compared` isn't behind the log. In a transaction without savepoints: it is known by its number."""
    await connection.execute(_MARK, compared.server_started_at, compared.database_oid)


async def is_compared(connection: Connection) -> bool:
    """Whether the latest mark is of the database behind this connection."""
    return bool(await connection.fetchval(_COMPARED))


async def admit(connection: Connection) -> None:
    """For a pool. Raises Transient where the database behind a new connection wasn't compared: it soon will be."""
    if not await is_compared(connection):
        raise Transient("this database wasn't compared with the log yet: it may be an earlier copy")


class Comparing:
    """Of every process of a service; the first one's mark serves all.

    `database` takes any connection: it is what is looked at. `topics` are those whose records come from its schema,
    each with its question (chassis/published.py).
    """

    def __init__(self, database: Database, settings: KafkaSettings, topics: Mapping[str, Missing]) -> None:
        self._database = database
        self._settings = settings
        self._topics = topics
        self._fault_prefix = database.schema

    async def compare(self) -> None:
        """Raises PublishedAhead or PositionsRefused where the database was set back, and errors of both servers."""
        async with self._database.pool.acquire() as connection:
            found = await this_database(connection)
        await published.check(self._database, self._settings, self._topics)
        async with self._database.transaction() as connection:
            await mark(connection, found)

    async def run(self) -> None:
        """Compare what wasn't, until cancelled. Raises as `compare` does, but for what goes by."""
        while True:
            await asyncio.sleep(SECONDS)
            await fault_point(f"{self._fault_prefix}.compares")
            try:
                async with self._database.pool.acquire() as connection:
                    known = await is_compared(connection)
                if not known:
                    await self.compare()
                    log.info("database_compared")
            except Exception as error:
                if fate_of(error) is not Fate.TRANSIENT:
                    raise
                log.warning("database_not_compared", error=describe(error))


async def connect_compared(
    process: ProcessContext[Any],
    *,
    schema: str,
    folders: Sequence[tuple[str, Path]],
    topics: Mapping[str, Missing],
    connections: int = 4,
    session: Mapping[str, str] | None = None,
) -> Database:
    """A pool for a process that writes: compared now, and again whenever another server run is behind it.

    Raises as `Comparing.compare` does, and what `migrations.check_schema` does of `folders`.
    """
    dsn = process.settings.database_url.get_secret_value()
    looked_at = await Database.connect(dsn, schema=schema, process=process.name, max_size=1, settings=session)
    process.defer(looked_at.close)
    await migrations.check_schema(looked_at, folders)
    comparing = Comparing(looked_at, process.settings, topics)
    await comparing.compare()
    database = await Database.connect(
        dsn, schema=schema, process=process.name, max_size=connections, settings=session, admit=admit
    )
    process.defer(database.close)
    process.spawn("comparing", comparing.run())
    return database
