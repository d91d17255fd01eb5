"""The projection of all `.dead` topics. A dead letter is settled once: replayed or discarded, by whom and why."""

from collections.abc import Sequence
from datetime import datetime

from chassis.database import Connection
from chassis.dead_letters import DeadLetter
from chassis.outbox import pack_headers
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
