"""The projection of all `.dead` topics. A dead letter is settled once: replayed or discarded, by whom and why.

- Of one consumer's letters with one key none is replayed before an earlier one, unless that is forced. What counts is
  where a record first stood: one that was replayed and put aside again keeps its place in the line.
- The original stays as it was; corrections lie beside it, each with its author, and the last one is replayed.
- Beyond the room that is set nothing is stored: the record stays on its `.dead` topic, from where it is read again
  once there is room (`okno dead-letters reload`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from chassis.database import Connection
from chassis.dead_letters import FIRST, FORCE, DeadLetter
from chassis.outbox import pack_headers
from chassis.records import RELEASE
from services.ticketing.domain.ticket import printable
from services.ticketing.store.rows import Column, arrays, insert

REPLAYABLE = timedelta(days=30)
"""Later its repetition may not be recognised any more (docs/retention.md)."""


_LONGEST_NAME = 249
"""Of a topic, as Kafka has it. Two of them fit an index, however many bytes their characters have."""
_LONGEST_TEXT = 1000
_MOST = 2**31 - 1


def identity_of(letter: DeadLetter) -> str:
    """The original record's place; without one that can be, the dead letter's own."""
    named = max(len(letter.consumer), len(letter.origin_topic)) <= _LONGEST_NAME
    if named and letter.origin_offset >= 0 and 0 <= letter.origin_partition <= _MOST:
        return letter.id
    return f"{letter.topic}:{letter.partition}:{letter.offset}"


def _text(text: str, longest: int = _LONGEST_NAME) -> str:
    """Headers say what they like: whatever it is, the letter can be stored, and lists of letters can be read."""
    return printable(text)[:longest]


Row = tuple[DeadLetter, datetime]
_COLUMNS: tuple[Column[Row], ...] = (
    Column("identity", "text", lambda r: printable(identity_of(r[0]))),
    Column("dead_topic", "text", lambda r: r[0].topic),
    Column("dead_partition", "int", lambda r: r[0].partition),
    Column("dead_offset", "bigint", lambda r: r[0].offset),
    Column("consumer", "text", lambda r: _text(r[0].consumer)),
    Column("topic", "text", lambda r: _text(r[0].origin_topic)),
    Column("partition", "int", lambda r: min(r[0].origin_partition, _MOST)),
    Column("record_offset", "bigint", lambda r: r[0].origin_offset),
    Column("first_offset", "bigint", lambda r: r[0].first_offset),
    Column("parks", "boolean", lambda r: r[0].parks),
    Column("key", "bytea", lambda r: r[0].key),
    Column("value", "bytea", lambda r: r[0].value),
    Column("headers", "bytea", lambda r: pack_headers(r[0].headers)),
    Column("truncated", "boolean", lambda r: r[0].truncated),
    Column("cause", "text", lambda r: _text(r[0].cause) or "unknown"),
    Column("error", "text", lambda r: _text(r[0].error, _LONGEST_TEXT)),
    Column("attempts", "int", lambda r: min(r[0].attempts, _MOST)),
    Column("dead_at", "timestamptz", lambda r: r[1]),
)
_INSERT = insert("dead_letters", _COLUMNS, after="ON CONFLICT (identity) DO NOTHING")
_STORED = """
SELECT count(*) AS letters, coalesce(sum(octet_length(value)), 0)::bigint AS bytes, ARRAY(
    SELECT a.identity FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS a(identity, place, dead_at)
    WHERE EXISTS (SELECT FROM dead_letters d WHERE d.identity = a.identity)
        OR EXISTS (SELECT FROM dead_letters d WHERE d.identity = a.place AND d.dead_at = a.dead_at)
) AS known FROM dead_letters"""
# A worker of an older version stores a letter under its place, whatever the record's time: then the moment in which it
# was put aside tells whether it is the same.


@dataclass(frozen=True, slots=True)
class Room:
    """How many dead letters the table holds at the most, settled ones too, and how large their values are in all."""

    letters: int = 50_000
    bytes: int = 1024 * 1024 * 1024


async def store_dead_letters(
    connection: Connection, letters: Sequence[DeadLetter], now: datetime, room: Room
) -> list[DeadLetter]:
    """Store those that there is room for, each once. Returns those that there was none for."""
    asked = [(printable(identity_of(one)), printable(one.place), _time(one.at, now)) for one in letters]
    stored = await connection.fetchrow(_STORED, *map(list, zip(*asked, strict=True))) if asked else None
    number, size, known = (stored["letters"], stored["bytes"], set(stored["known"])) if stored else (0, 0, set())
    kept: list[DeadLetter] = []
    refused: list[DeadLetter] = []
    for letter in letters:
        if printable(identity_of(letter)) in known:
            continue
        length = len(letter.value or b"")
        if number >= room.letters or size + length > room.bytes:
            refused.append(letter)
            continue
        kept.append(letter)
        number, size = number + 1, size + length
    if kept:
        await connection.execute(_INSERT, *arrays(_COLUMNS, [(letter, _time(letter.at, now)) for letter in kept]))
    return refused


def _time(text: str, otherwise: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else otherwise
    except (ValueError, OverflowError):
        return otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLetter:
    """Without the content, which may have megabytes."""

    id: int
    identity: str
    dead_topic: str
    dead_partition: int
    dead_offset: int
    consumer: str
    topic: str
    partition: int
    record_offset: int
    key: bytes | None
    truncated: bool
    cause: str
    error: str
    attempts: int
    dead_at: datetime
    state: str
    reason: str | None
    settled_at: datetime | None
    settled_by: str | None
    first_offset: int | None
    parks: bool

    @property
    def raw(self) -> bool:
        """A webhook's body that broke the parser: it never was a record."""
        return self.record_offset < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter(ListedLetter):
    value: bytes | None
    headers: bytes


@dataclass(frozen=True, slots=True)
class Edit:
    """A corrected record: its key, value and (packed) headers."""

    key: bytes
    value: bytes
    headers: bytes
    edited_at: datetime
    edited_by: str


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is given must hold; `key` is the record's, `since` and `until` bound when it was put aside."""

    state: str | None = None
    topic: str | None = None
    consumer: str | None = None
    cause: str | None = None
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def arguments(self) -> tuple[object, ...]:
        key = None if self.key is None else self.key.encode()
        return self.state, self.topic, self.consumer, self.cause, key, self.since, self.until


_FILTER = """
    ($1::text IS NULL OR d.state = $1) AND ($2::text IS NULL OR d.topic = $2)
    AND ($3::text IS NULL OR d.consumer = $3) AND ($4::text IS NULL OR d.cause = $4)
    AND ($5::bytea IS NULL OR d.key = $5)
    AND ($6::timestamptz IS NULL OR d.dead_at >= $6) AND ($7::timestamptz IS NULL OR d.dead_at < $7)"""
_LISTED = ", ".join(f"d.{one.name}" for one in fields(ListedLetter))
_LIST = f"SELECT {_LISTED} FROM dead_letters d WHERE {_FILTER} AND d.id < $8 ORDER BY d.id DESC LIMIT $9"  # noqa: S608
_COUNT = f"SELECT count(*) FROM dead_letters d WHERE {_FILTER}"  # noqa: S608
_FIND = "SELECT * FROM dead_letters WHERE id = $1"
_EDITS = """
SELECT key, value, headers, edited_at, edited_by FROM dead_letter_edits WHERE dead_letter_id = $1 ORDER BY number"""
_EDIT = """
INSERT INTO dead_letter_edits (dead_letter_id, number, key, value, headers, edited_at, edited_by)
SELECT $1, count(*) + 1, $2, $3, $4, $5, $6 FROM dead_letter_edits WHERE dead_letter_id = $1"""
_SETTLE = """
UPDATE dead_letters SET state = $2, reason = $3, settled_at = $4, settled_by = $5 WHERE id = ANY($1::bigint[])"""
_DISCARDABLE = f"""
SELECT d.id FROM dead_letters d WHERE {_FILTER} ORDER BY d.id LIMIT $8 FOR UPDATE"""  # noqa: S608

_PLACE = "coalesce({0}.first_offset, {0}.record_offset), {0}.id"
_EARLIER = f"""
    e.state = 'waiting' AND e.key = d.key AND e.topic = d.topic AND e.consumer = d.consumer AND e.record_offset >= 0
    AND ({_PLACE.format("e")}) < ({_PLACE.format("d")})"""
_BLOCKED_BY = f"""
SELECT e.id FROM dead_letters d JOIN dead_letters e ON {_EARLIER}
WHERE d.id = $1 AND d.record_offset >= 0 ORDER BY {_PLACE.format("e")} LIMIT 5"""  # noqa: S608
# $8 how many, $9 whether order and age don't matter, $10 the moment before which letters are too old.
# A letter goes only if all earlier ones of its line go with it; the limit cuts lines at their ends.
_REPLAYABLE = f"""
WITH able AS MATERIALIZED (
    SELECT d.id FROM dead_letters d
    WHERE {_FILTER} AND ($9 OR d.dead_at >= $10) AND (
        (NOT d.truncated AND d.record_offset >= 0)
        OR EXISTS (SELECT FROM dead_letter_edits c WHERE c.dead_letter_id = d.id)
    )
), free AS (
    SELECT d.* FROM dead_letters d
    WHERE d.id IN (SELECT id FROM able) AND ($9 OR d.key IS NULL OR d.record_offset < 0 OR NOT EXISTS (
        SELECT FROM dead_letters e WHERE {_EARLIER} AND e.id NOT IN (SELECT id FROM able)
    ))
), lines AS (
    SELECT d.*, max(d.dead_at) OVER (PARTITION BY d.consumer, d.topic, d.key ORDER BY {_PLACE.format("d")}) AS turn
    FROM free d
), chosen AS (
    SELECT d.id FROM lines d ORDER BY d.turn, {_PLACE.format("d")} LIMIT $8
)
SELECT id FROM dead_letters WHERE id IN (SELECT id FROM chosen) AND state = 'waiting' ORDER BY id FOR UPDATE"""  # noqa: S608
# What a record that comes again tells its consumer (chassis/parking.py): its place in the line, whose letter is settled
# where that is waited for, and whether it goes out of its turn ($2). Headers, as JSON without the outer brackets.
_TOLD = f"""
concat_ws(',',
    format('["{FIRST}",%s]', to_json(d.consumer || ':' || coalesce(d.first_offset, d.record_offset))),
    CASE WHEN d.parks THEN
        format('["{RELEASE}",%s]', to_json(concat_ws(':', d.consumer, d.partition, d.record_offset)))
    END,
    CASE WHEN $2 THEN '["{FORCE}","1"]' END)"""
# In the order of the lines; $3 whether the originals go, though they were corrected. Headers are a JSON array, to which
# some are added.
_PUBLISH = f"""
INSERT INTO outbox (topic, key, headers, payload)
SELECT d.topic, coalesce(c.key, d.key), CASE WHEN d.record_offset < 0 THEN h.packed ELSE
        substring(h.packed FROM 1 FOR octet_length(h.packed) - 1)
        || convert_to(CASE WHEN octet_length(h.packed) > 2 THEN ',' ELSE '' END || {_TOLD} || ']', 'UTF8')
    END, CASE WHEN c.key IS NULL THEN d.value ELSE c.value END
FROM dead_letters d
LEFT JOIN LATERAL (
    SELECT * FROM dead_letter_edits c WHERE c.dead_letter_id = d.id AND NOT $3 ORDER BY c.number DESC LIMIT 1
) c ON true
CROSS JOIN LATERAL (SELECT coalesce(c.headers, d.headers) AS packed) h
WHERE d.id = ANY($1::bigint[]) ORDER BY {_PLACE.format("d")}"""  # noqa: S608
_RELEASE = f"""
INSERT INTO outbox (topic, key, headers, payload)
SELECT d.topic, d.key, convert_to('[' || {_TOLD} || ']', 'UTF8'), NULL
FROM dead_letters d WHERE d.id = ANY($1::bigint[]) AND d.parks AND d.key IS NOT NULL ORDER BY d.id"""  # noqa: S608
_WAITING = """
SELECT consumer, cause, count(*) AS letters, extract(epoch FROM clock_timestamp() - min(dead_at))::float8 AS age
FROM dead_letters WHERE state = 'waiting' GROUP BY consumer, cause"""


async def list_dead_letters(connection: Connection, chosen: Filter, before: int, limit: int) -> list[ListedLetter]:
    """The latest first."""
    rows = await connection.fetch(_LIST, *chosen.arguments(), before, limit)
    return [ListedLetter(**dict(row)) for row in rows]


async def count_dead_letters(connection: Connection, chosen: Filter) -> int:
    number: int = await connection.fetchval(_COUNT, *chosen.arguments())
    return number


async def find_dead_letter(connection: Connection, letter_id: int, *, lock: bool = False) -> StoredLetter | None:
    row = await connection.fetchrow(f"{_FIND} FOR UPDATE" if lock else _FIND, letter_id)
    return None if row is None else StoredLetter(**dict(row))


async def edits_of(connection: Connection, letter_id: int) -> list[Edit]:
    """The first one first; the last one is what is replayed."""
    return [Edit(**dict(row)) for row in await connection.fetch(_EDITS, letter_id)]


async def add_edit(connection: Connection, letter_id: int, edit: Edit) -> None:
    """Under the letter's lock."""
    await connection.execute(_EDIT, letter_id, edit.key, edit.value, edit.headers, edit.edited_at, edit.edited_by)


async def blocked_by(connection: Connection, letter_id: int) -> list[int]:
    """Waiting letters that come before this one in its key's line, a few of them."""
    return [row["id"] for row in await connection.fetch(_BLOCKED_BY, letter_id)]


async def choose_to_replay(
    connection: Connection, chosen: Filter, limit: int, now: datetime, *, force: bool
) -> list[int]:
    """Letters that match, that can be replayed, and that none before them in their line holds up. Locked."""
    rows = await connection.fetch(_REPLAYABLE, *chosen.arguments(), limit, force, now - REPLAYABLE)
    return [row["id"] for row in rows]


async def choose_to_discard(connection: Connection, chosen: Filter, limit: int) -> list[int]:
    """The oldest that match. Locked."""
    return [row["id"] for row in await connection.fetch(_DISCARDABLE, *chosen.arguments(), limit)]


async def publish(
    connection: Connection, letters: Sequence[int], *, originals: bool = False, force: bool = False
) -> None:
    """To the ends of their topics, by the outbox, as last corrected. The values never leave the database."""
    await connection.execute(_PUBLISH, list(letters), force, originals)


async def release(connection: Connection, letters: Sequence[int]) -> None:
    """Tell consumers that park that these letters won't come again: what waits behind them may go on."""
    await connection.execute(_RELEASE, list(letters), False)


async def settle(
    connection: Connection, letters: Sequence[int], state: str, reason: str | None, at: datetime, by: str
) -> None:
    await connection.execute(_SETTLE, list(letters), state, reason, at, by)


async def waiting(connection: Connection) -> list[tuple[str, str, int, float]]:
    """Consumer, cause, how many wait, and the age in seconds of the oldest."""
    return [tuple(row) for row in await connection.fetch(_WAITING)]
