"""Takes what is about a person out of JSON that waits in a table. Rows stay, and so do their ids and order."""

from typing import Any

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
        query = f"SELECT {key} AS key, {column} AS content FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
        rows = connection.cursor(query, prefetch=20)
        about = [row["key"] async for row in rows if _without(erased, row["content"]) is not None]
        for name in sorted(about):  # the order in which everybody locks; as they are now, not as they were read
            now = await connection.fetchval(f"SELECT {column} FROM {table} WHERE {key} = $1 FOR UPDATE", name)  # noqa: S608
            if (kept := _without(erased, now)) is not None:
                await connection.execute(f"UPDATE {table} SET {column} = $2 WHERE {key} = $1", name, kept)  # noqa: S608
    return len(about)


def _without(erased: Erased, content: Any) -> Any:
    """What is left of a row's content, or None where nothing has to go."""
    try:
        kept = erased.without_in(content) if content is not None else None
    except ValueError:
        return None
    return None if kept is content else kept


async def rewrite_outbox(database: Database, erased: Erased) -> int:
    """What isn't published yet. A row that the relay has in hand goes out as it was."""
    return await rewrite(database, "outbox", "id", "payload", erased)


def rows_of(status: str) -> int:
    """How many rows a statement changed, by PostgreSQL's answer to it."""
    return int(status.rpartition(" ")[2])
