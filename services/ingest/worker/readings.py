"""How far each channel's history has been read: one row a channel, moved with what was found, so that a killed worker
goes on where it was and two workers don't do a step twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from chassis.database import Connection
from contracts.chat import Channel
from contracts.chat_events_v1 import ChatEvent
from contracts.keys import ChannelKey
from contracts.topics import MODELS
from services.ingest.worker.history import Find, Thread
from services.ingest.worker.known import time_at

BEGIN = """
INSERT INTO readings AS r (channel_key, channel, since, oldest, asked) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel_key) DO UPDATE SET
    number = nextval('reading_numbers'), step = r.step + 1, started_at = clock_timestamp(), stage = 'history',
    cursor = NULL, lowest = NULL, joined = NULL, parted = NULL, asked = r.asked OR excluded.asked,
    since = least(r.since, excluded.since), oldest = least(r.oldest, excluded.oldest)
"""
LOAD = "SELECT * FROM readings WHERE channel_key = $1"
ADVANCE = """
UPDATE readings SET step = step + 1, stage = $4, cursor = $5, lowest = $6
WHERE channel_key = $1 AND number = $2 AND step = $3 RETURNING true
"""
MEMBER = """
UPDATE readings SET joined = least(joined, $2), parted = least(parted, $3) WHERE channel_key = $1
RETURNING joined, parted
"""
SINCE = "UPDATE readings SET since = $2 WHERE channel_key = $1"
HELD = "SELECT true FROM readings WHERE channel_key = $1 AND number = $2 AND step = $3 FOR UPDATE"
COUNT = """
UPDATE readings SET step = step + 1, posts = posts + $2, edits = edits + $3, deletions = deletions + $4
WHERE channel_key = $1
"""
END = "DELETE FROM readings WHERE channel_key = $1 AND number = $2 AND step = $3 RETURNING true"
LEFT = "SELECT count(*) FROM readings"

ADD_THREADS = """
INSERT INTO reading_threads AS t (channel_key, thread, urgent)
SELECT $1, * FROM unnest($2::text[], $3::bool[])
ON CONFLICT (channel_key, thread) DO UPDATE SET urgent = t.urgent OR excluded.urgent
"""
ADD_KNOWN_THREADS = """
INSERT INTO reading_threads (channel_key, thread, urgent)
SELECT DISTINCT channel_key, thread, true FROM messages
WHERE channel_key = $1 AND thread IS NOT NULL AND ordinal >= $2 ORDER BY thread
ON CONFLICT (channel_key, thread) DO NOTHING
"""
NEXT_THREAD = """
SELECT thread, urgent, cursor FROM reading_threads WHERE channel_key = $1 ORDER BY urgent DESC, thread LIMIT 1
"""
MOVE_THREAD = "UPDATE reading_threads SET cursor = $3 WHERE channel_key = $1 AND thread = $2"
END_THREAD = "DELETE FROM reading_threads WHERE channel_key = $1 AND thread = $2"
END_THREADS = "DELETE FROM reading_threads WHERE channel_key = $1"

KEEP = """
INSERT INTO reading_finds (channel_key, event_id, ordinal, rank, type, event, message)
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::smallint[], $5::text[], $6::text[], $7::bigint[])
ON CONFLICT (channel_key, event_id) DO NOTHING
"""
DROP = "DELETE FROM reading_finds WHERE channel_key = $1 AND message < $2"
TAKE = """
WITH taken AS (
    DELETE FROM reading_finds WHERE (channel_key, event_id) IN (
        SELECT channel_key, event_id FROM reading_finds WHERE channel_key = $1 ORDER BY ordinal, rank LIMIT $2)
    RETURNING ordinal, rank, type, event
) SELECT type, event FROM taken ORDER BY ordinal, rank
"""


class Stage(StrEnum):
    """`probe` asks whether anything older is shown, so that what the workspace no longer keeps isn't deemed deleted."""

    HISTORY = "history"
    PROBE = "probe"
    THREADS = "threads"


@dataclass(frozen=True, slots=True)
class Reading:
    """Posts from `since` on are published; edits and deletions are looked for back to `oldest`. `lowest` is the ordinal
    of the oldest message that was shown, `joined` and `parted` those of our first coming and first leaving.
    """

    channel: Channel
    number: int
    step: int
    since: datetime
    oldest: datetime
    started_at: datetime
    stage: Stage
    cursor: str | None
    lowest: int | None
    posts: int
    edits: int
    deletions: int
    asked: bool = False
    joined: int | None = None
    parted: int | None = None


@dataclass(frozen=True, slots=True)
class OpenThread:
    ts: str
    urgent: bool
    cursor: str | None


async def begin(
    connection: Connection, channel: Channel, since: datetime, oldest: datetime, *, asked: bool = False
) -> None:
    """Read a channel; one that is being read begins anew, its threads too, with the earlier of both times.

    `asked`: a person named the time, so it holds for channels that we were invited to later too.
    """
    await connection.execute(BEGIN, channel.key, channel.model_dump_json(), since, oldest, asked)
    await connection.execute(END_THREADS, channel.key)


async def load(connection: Connection, channel: ChannelKey) -> Reading | None:
    row = await connection.fetchrow(LOAD, channel)
    if row is None:
        return None
    return Reading(
        Channel.model_validate_json(row["channel"]),
        row["number"],
        row["step"],
        row["since"],
        row["oldest"],
        row["started_at"],
        Stage(row["stage"]),
        row["cursor"],
        row["lowest"],
        row["posts"],
        row["edits"],
        row["deletions"],
        row["asked"],
        row["joined"],
        row["parted"],
    )


async def advance(
    connection: Connection, reading: Reading, stage: Stage, *, cursor: str | None = None, lowest: int | None = None
) -> bool:
    """False when the reading isn't where it was: what was read for this step is of no use any more."""
    return bool(
        await connection.fetchval(
            ADVANCE, reading.channel.key, reading.number, reading.step, stage.value, cursor, lowest
        )
    )


async def member(connection: Connection, reading: Reading, joined: int | None, parted: int | None) -> Reading:
    """The reading, with when we came and left as one more page shows it."""
    row = await connection.fetchrow(MEMBER, reading.channel.key, joined, parted)
    return reading if row is None else replace(reading, joined=row["joined"], parted=row["parted"])


async def not_before(connection: Connection, reading: Reading, since: int) -> None:
    """Nothing about messages older than this ordinal is published, whatever was found."""
    await connection.execute(SINCE, reading.channel.key, time_at(since))
    await connection.execute(DROP, reading.channel.key, since)


async def held(connection: Connection, reading: Reading) -> bool:
    """Whether the reading is where it was; then it stays there until the transaction ends."""
    return bool(await connection.fetchval(HELD, reading.channel.key, reading.number, reading.step))


async def end(connection: Connection, reading: Reading) -> int | None:
    """How many channels are left; None when the reading has begun anew."""
    if not await connection.fetchval(END, reading.channel.key, reading.number, reading.step):
        return None
    return await left(connection)


async def left(connection: Connection) -> int:
    return int(await connection.fetchval(LEFT))


async def add_threads(connection: Connection, reading: Reading, threads: Sequence[Thread]) -> None:
    found = sorted(threads, key=lambda one: one.ts)
    if found:
        names, urgent = [one.ts for one in found], [one.urgent for one in found]
        await connection.execute(ADD_THREADS, reading.channel.key, names, urgent)


async def add_known_threads(connection: Connection, reading: Reading, oldest: int) -> None:
    """Those with a known reply of the time that is read, whose root may be older or gone."""
    await connection.execute(ADD_KNOWN_THREADS, reading.channel.key, oldest)


async def next_thread(connection: Connection, reading: Reading) -> OpenThread | None:
    row = await connection.fetchrow(NEXT_THREAD, reading.channel.key)
    return None if row is None else OpenThread(row["thread"], row["urgent"], row["cursor"])


async def move_thread(connection: Connection, reading: Reading, thread: OpenThread, cursor: str | None) -> None:
    """On to its next page; None ends it."""
    if cursor is None:
        await connection.execute(END_THREAD, reading.channel.key, thread.ts)
    else:
        await connection.execute(MOVE_THREAD, reading.channel.key, thread.ts, cursor)


async def end_threads(connection: Connection, reading: Reading) -> None:
    await connection.execute(END_THREADS, reading.channel.key)


async def keep(connection: Connection, reading: Reading, finds: Iterable[Find]) -> None:
    """Until they are published."""
    found = sorted(finds, key=lambda one: one.event.record_id)
    if found:
        await connection.execute(
            KEEP,
            reading.channel.key,
            [one.event.record_id for one in found],
            [one.ordinal for one in found],
            [one.rank for one in found],
            [one.event.TYPE for one in found],
            [one.event.model_dump_json(exclude_none=True) for one in found],
            [one.message for one in found],
        )


async def take(connection: Connection, reading: Reading, limit: int) -> list[ChatEvent]:
    """The next ones in the platform's order; they are kept no longer."""
    rows = await connection.fetch(TAKE, reading.channel.key, limit)
    events = [MODELS[row["type"]].model_validate_json(row["event"]) for row in rows]
    return [event for event in events if isinstance(event, ChatEvent)]


async def count(connection: Connection, reading: Reading, posts: int, edits: int, deletions: int) -> None:
    """A step on: so many were handed over."""
    await connection.execute(COUNT, reading.channel.key, posts, edits, deletions)
