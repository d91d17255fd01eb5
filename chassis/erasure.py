"""Takes what is about a person out of JSON that waits in a table. Rows stay, and so do their ids and order."""

from chassis.database import Database
from contracts.erasure import Erased

PATIENCE = "SET LOCAL statement_timeout = '30min'"
"""Whole tables are read: a person is erased too seldom for indexes that every message would pay for."""


async def rewrite(database: Database, table: str, key: str, column: str, erased: Erased) -> int:
    """Rewrites JSON in `column` (bytea, text or jsonb) where it says something of the person; how many rows.

    `key` is an SQL expression that names a row. What is no JSON stays as it is.
    """
    async with database.transaction() as connection:
        await connection.execute(PATIENCE)
        changed = []
        query = f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
        async for row in connection.cursor(query, prefetch=20):
            name, text = row
            try:
                kept = erased.without_in(text)
            except ValueError:
                continue
            if kept is not text:
                changed.append((name, kept))
        await connection.executemany(f"UPDATE {table} SET {column} = $2 WHERE {key} = $1", changed)  # noqa: S608
    return len(changed)


async def rewrite_outbox(database: Database, erased: Erased) -> int:
    """What isn't published yet. A row that the relay has in hand goes out as it was."""
    return await rewrite(database, "outbox", "id", "payload", erased)


def rows_of(status: str) -> int:
    """How many rows a statement changed, by PostgreSQL's answer to it."""
    return int(status.rpartition(" ")[2])
