"""A ticket's messages and history as the API shows them, in the platform's order, with today's names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.database import Connection
from services.ticketing.domain.ticket import Message
from services.ticketing.store.messages import SHOWN, message_of, select

_NAMED = select(SHOWN).replace(
    "FROM messages m",
    """, CASE WHEN m.agent_id IS NOT NULL THEN (SELECT name FROM agents a WHERE a.id = m.agent_id)
        ELSE (SELECT name FROM identities i WHERE i.person_key = m.author_key) END AS current_name
FROM messages m""",
)
_FIRST = f"{_NAMED} WHERE m.ticket_id = $1 ORDER BY m.sent_at, m.ordinal, m.id LIMIT $2"
_NEXT = f"""{_NAMED} WHERE m.ticket_id = $1 AND (m.sent_at, m.ordinal, m.id) > ($3::timestamptz, $4::bigint, $5::text)
ORDER BY m.sent_at, m.ordinal, m.id LIMIT $2"""
_ONE = f"{_NAMED} WHERE m.ticket_id = $1 AND m.id = $2"

_HISTORY = """
SELECT version, at, kind, cause_kind, cause_id, actor_kind, actor_id, changes, message_id, traceparent,
    coalesce(CASE WHEN actor_id LIKE 'agt_%' THEN (SELECT name FROM agents WHERE id = actor_id)
        ELSE (SELECT name FROM identities WHERE person_key = actor_id) END, actor_name) AS actor_name
FROM history WHERE ticket_id = $1 AND version > $2 ORDER BY version LIMIT $3"""


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """`name` is the author's current one, else the one that came with the message."""

    message: Message
    name: str | None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    version: int
    at: datetime
    kind: str
    cause_kind: str
    cause_id: str
    actor_kind: str
    actor_id: str | None
    actor_name: str | None
    changes: str
    """JSON."""
    message_id: str | None
    traceparent: str | None


async def list_messages(
    connection: Connection, ticket_id: str, after: Sequence[Any] | None, limit: int
) -> list[ShownMessage]:
    """`after` holds time, ordinal and id of the last one seen."""
    query, more = (_FIRST, ()) if after is None else (_NEXT, tuple(after))
    rows = await connection.fetch(query, ticket_id, limit, *more)
    return [ShownMessage(message_of(row), row["current_name"] or row["author_name"]) for row in rows]


async def find_message(connection: Connection, ticket_id: str, message_id: str) -> ShownMessage | None:
    row = await connection.fetchrow(_ONE, ticket_id, message_id)
    return None if row is None else ShownMessage(message_of(row), row["current_name"] or row["author_name"])


async def list_history(connection: Connection, ticket_id: str, after: int, limit: int) -> list[HistoryEntry]:
    """Changes with versions above `after`, in order."""
    return [HistoryEntry(**dict(row)) for row in await connection.fetch(_HISTORY, ticket_id, after, limit)]
