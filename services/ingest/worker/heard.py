"""When each platform was heard, by the minute: what tells a gap.

Only live events count, by the time ingest received them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chassis.database import Connection
from contracts.chat_events_v1 import ChatEvent
from contracts.keys import Platform

NOTE = """
INSERT INTO heard AS h (platform, minute, first_at, last_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
ON CONFLICT (platform, minute) DO UPDATE SET
    first_at = least(h.first_at, excluded.first_at), last_at = greatest(h.last_at, excluded.last_at)
WHERE excluded.first_at < h.first_at OR excluded.last_at > h.last_at
"""
LAST = """
SELECT max(CASE WHEN last_at < $2 THEN last_at WHEN first_at < $2 THEN first_at END) AS last, min(first_at) AS first
FROM heard WHERE platform = $1 AND minute < $2
"""
SILENCE = """
SELECT coalesce(min(before) FILTER (WHERE first_at > $2 - interval '1 day'), max(before)) FROM (
    SELECT first_at, lag(last_at) OVER (ORDER BY minute) AS before FROM heard WHERE platform = $1 AND minute < $2
) AS minutes
WHERE first_at - before > $3
"""


async def note(connection: Connection, events: Iterable[ChatEvent]) -> None:
    minutes: dict[tuple[str, datetime], tuple[datetime, datetime]] = {}
    for event in events:
        if not event.backfilled:
            at = event.received_at
            key = (event.channel.platform.value, at.replace(second=0, microsecond=0))
            first, last = minutes.get(key, (at, at))
            minutes[key] = (min(first, at), max(last, at))
    rows = sorted((*key, *times) for key, times in minutes.items())
    if rows:
        await connection.execute(NOTE, *map(list, zip(*rows, strict=True)))


async def last_before(connection: Connection, platform: Platform, at: datetime) -> tuple[datetime, datetime] | None:
    """When the platform was heard first of all, and last before a time; None when never."""
    row = await connection.fetchrow(LAST, platform.value, at)
    return None if row is None or row["last"] is None else (row["first"], row["last"])


async def silence(connection: Connection, platform: Platform, at: datetime, longer_than: timedelta) -> datetime | None:
    """The begin of the first time of silence that ended in the day before `at`; where there is none, of the latest.

    A quiet desk is silent between any two messages, so which of them was an outage nobody can tell.
    """
    begin: datetime | None = await connection.fetchval(SILENCE, platform.value, at, longer_than)
    return begin
