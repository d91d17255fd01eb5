"""Whether this database is the one that was compared with the log: only then may a change take the next version.

However an earlier state comes back, the mark that comes with it is of another database:

- copied files, a snapshot, point-in-time recovery, a standby that took over: that server was started at another time;
- a copy inside the server (`CREATE DATABASE ... TEMPLATE`): the database has another OID;
- a dump that was read back: another transaction wrote the row (its `xmin`) than the one that the row names.

A mere restart of PostgreSQL looks the same, so it is compared again. Two things aren't seen: a dump of single tables
that is read back over a database that goes on, and a virtual machine that is set back with its memory, in which the
server goes on as the one that was compared.
"""

from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection

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
