"""When messages became visible, for both sides alike: PostgreSQL keeps each transaction's commit time
(`track_commit_timestamp`), and a message's row carries its transaction, so nothing has to be polled while it is
measured. The clock is the one that the load generator reads: everything runs on one machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg

from bench.side import Side

_COMMITTED = """
SELECT id, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint * 1000 AS at
FROM {schema}.messages WHERE id = ANY($1::text[])"""
_QUIET_LOOKS = 4
_LOOK_SECONDS = 0.1
_GIVE_UP_SECONDS = 90.0
_CHUNK = 20_000


class NotVisible(Exception):
    """Messages that were accepted didn't appear: that is no slowness but a fault."""


async def settled(database: asyncpg.Connection[asyncpg.Record], side: Side) -> None:
    """Wait until nothing moves: outboxes are empty and positions stand still."""
    last, quiet = None, 0
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    looks = " UNION ALL ".join(
        f"SELECT (SELECT count(*) FROM {schema}.outbox) AS waiting, "  # noqa: S608 - names of our own
        f"(SELECT coalesce(sum(next_offset), 0) FROM {schema}.positions) AS read"
        for schema in side.schemas
    )
    while quiet < _QUIET_LOOKS:
        now = [tuple(row) for row in await database.fetch(looks)]
        quiet = quiet + 1 if now == last and not any(waiting for waiting, _ in now) else 0
        last = now
        if time.monotonic() > deadline:
            raise NotVisible(f"{side.name} did not come to rest within {_GIVE_UP_SECONDS:.0f} s: {now}")
        await asyncio.sleep(_LOOK_SECONDS)


async def commit_times(database: asyncpg.Connection[asyncpg.Record], side: Side, keys: Sequence[str]) -> dict[str, int]:
    """Nanoseconds since 1970 at which each message's row was committed. Raises NotVisible when one is missing."""
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while True:
        await settled(database, side)
        found = await found_times(database, side, keys)
        if len(found) == len(keys):
            return found
        if time.monotonic() > deadline:
            missing = next(key for key in keys if key not in found)
            raise NotVisible(f"{side.name}: {len(keys) - len(found)} messages are missing, {missing} among them")


async def found_times(database: asyncpg.Connection[asyncpg.Record], side: Side, keys: Sequence[str]) -> dict[str, int]:
    """The same for those of the messages that are there now."""
    found: dict[str, int] = {}
    for first in range(0, len(keys), _CHUNK):
        rows = await database.fetch(_COMMITTED.format(schema=side.visible), keys[first : first + _CHUNK])
        found |= {row["id"]: row["at"] for row in rows}
    return found
