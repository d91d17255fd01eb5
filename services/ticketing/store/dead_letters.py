"""The projection of all `.dead` topics. A dead letter is settled once: replayed or discarded, by whom and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection
from chassis.dead_letters import DeadLetter
from chassis.outbox import OutboxRow, pack_headers, unpack_headers
from services.ticketing.domain.ticket import printable
from services.ticketing.store.rows import Column, arrays, insert


def identity_of(letter: DeadLetter) -> str:
    """The original record's place; without it, the dead letter's own."""
    if letter.origin_offset >= 0 and letter.origin_partition >= 0:
        return letter.id
    return f"{letter.topic}:{letter.partition}:{letter.offset}"


Row = tuple[DeadLetter, datetime]
_COLUMNS: tuple[Column[Row], ...] = (
    Column("identity", "text", lambda r: printable(identity_of(r[0]))),
    Column("dead_topic", "text", lambda r: r[0].topic),
    Column("dead_partition", "int", lambda r: r[0].partition),
    Column("dead_offset", "bigint", lambda r: r[0].offset),
    Column("consumer", "text", lambda r: printable(r[0].consumer)),
    Column("topic", "text", lambda r: printable(r[0].origin_topic)),
    Column("partition", "int", lambda r: r[0].origin_partition),
    Column("record_offset", "bigint", lambda r: r[0].origin_offset),
    Column("key", "bytea", lambda r: r[0].key),
    Column("value", "bytea", lambda r: r[0].value),
    Column("headers", "bytea", lambda r: pack_headers(r[0].headers)),
    Column("truncated", "boolean", lambda r: r[0].truncated),
    Column("cause", "text", lambda r: printable(r[0].cause) or "unknown"),
    Column("error", "text", lambda r: printable(r[0].error)),
    Column("attempts", "int", lambda r: min(r[0].attempts, 2**31 - 1)),
    Column("dead_at", "timestamptz", lambda r: r[1]),
)
_INSERT = insert("dead_letters", _COLUMNS, after="ON CONFLICT (identity) DO NOTHING")


async def store_dead_letters(connection: Connection, letters: Sequence[DeadLetter], now: datetime) -> None:
    rows = [(letter, _time(letter.at, now)) for letter in letters]
    await connection.execute(_INSERT, *arrays(_COLUMNS, rows))


def _time(text: str, otherwise: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return at if at.tzinfo is not None else otherwise


@dataclass(frozen=True, slots=True)
class StoredLetter:
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
    value: bytes | None
    headers: bytes
    truncated: bool
    cause: str
    error: str
    attempts: int
    dead_at: datetime
    state: str
    reason: str | None
    settled_at: datetime | None
    settled_by: str | None

    def original(self) -> OutboxRow:
        """The record as it was, for its own topic."""
        return OutboxRow(self.topic, self.key, self.value, unpack_headers(self.headers))


_LIST = """
SELECT * FROM dead_letters WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR topic = $2) AND id < $3
ORDER BY id DESC LIMIT $4"""
_FIND = "SELECT * FROM dead_letters WHERE id = $1"
_SETTLE = "UPDATE dead_letters SET state = $2, reason = $3, settled_at = $4, settled_by = $5 WHERE id = $1 RETURNING *"


async def list_dead_letters(
    connection: Connection, state: str | None, topic: str | None, before: int, limit: int
) -> list[StoredLetter]:
    """The latest first."""
    return [StoredLetter(**dict(row)) for row in await connection.fetch(_LIST, state, topic, before, limit)]


async def find_dead_letter(connection: Connection, letter_id: int, *, lock: bool = False) -> StoredLetter | None:
    row = await connection.fetchrow(f"{_FIND} FOR UPDATE" if lock else _FIND, letter_id)
    return None if row is None else StoredLetter(**dict(row))


async def settle_dead_letter(
    connection: Connection, letter_id: int, state: str, reason: str | None, at: datetime, by: str
) -> StoredLetter:
    row = await connection.fetchrow(_SETTLE, letter_id, state, reason, at, by)
    return StoredLetter(**dict(row or {}))
