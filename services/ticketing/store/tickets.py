"""Rows of tickets and conversations. Rows are locked in the order of their ids, so that two workers never deadlock.

Tickets are locked by one statement and read by the next: a statement that waited for a lock sees the row anew, but what
it aggregates beside it (conversations) as it was before the wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import orjson
from pydantic import TypeAdapter

from chassis.database import Connection
from contracts.keys import PersonKey
from contracts.ticket_events_v1 import Conversation, Ping, Requester, TicketState
from services.ticketing.domain.ticket import Ticket
from services.ticketing.store.rows import Column, insert, join, model_json, to_json, update

ACTIVE = "('new', 'open', 'pending', 'on_hold', 'comment_deleted')"
"""As in the partial unique index: the planner must see the same words."""

_FIELDS = (
    "id, number, subject, status, priority, queue, assignee_id, tags, requester_id, requester_key, requester_name, "
    "version, revision, created_at, updated_at, first_response_at, solved_at, closed_at, ended_at, "
    "last_customer_message_at, last_desk_message_at, follows, place_key, pings, opening_message_id, customer_messages, "
    "traceparent"
)
SELECT = f"""
SELECT {_FIELDS}, (
    SELECT json_agg(json_build_object('id', c.id, 'place', c.place, 'replies_key', c.replies_key) ORDER BY c.position)
    FROM conversations c WHERE c.ticket_id = t.id
)::text AS conversations
FROM tickets t"""  # noqa: S608

_READ = f"{SELECT} WHERE t.id = ANY($1::text[]) ORDER BY t.id"
_LOCK_ONE = "SELECT id FROM tickets WHERE id = $1 FOR NO KEY UPDATE"

_CONCERNED = f"""
    SELECT ticket_id FROM messages WHERE id = ANY($1::text[])
    UNION
    SELECT counts.id FROM unnest($2::text[]) AS place, LATERAL (
        SELECT id FROM tickets WHERE place_key = place
        ORDER BY (status IN {ACTIVE}) DESC, ended_at DESC NULLS LAST, number DESC LIMIT 1
    ) AS counts"""  # noqa: S608
_LOCK = "SELECT id FROM tickets WHERE id = ANY (ARRAY({wanted})) ORDER BY id FOR NO KEY UPDATE"
# $1 message ids, $2 place keys: the tickets of these messages, and of each place the ticket that counts there.
_LOCK_CONCERNED = _LOCK.format(wanted=_CONCERNED)
# $3: and all tickets of these channels, $4: and the active ones of those.
_OF_CHANNELS = f"""
    UNION SELECT ticket_id FROM conversations WHERE channel_key = ANY($3::text[])
    UNION SELECT id FROM tickets WHERE channel_key = ANY($4::text[]) AND status IN {ACTIVE}"""  # noqa: S608
_LOCK_CHANNELS = _LOCK.format(wanted=_CONCERNED + _OF_CHANNELS)

_conversations = TypeAdapter(tuple[Conversation, ...])
_pings = TypeAdapter(tuple[Ping, ...])


async def lock_one(connection: Connection, ticket_id: str) -> Ticket | None:
    """Locked until the transaction ends."""
    found = await _locked(connection, _LOCK_ONE, ticket_id)
    return found[0] if found else None


async def lock_concerned(
    connection: Connection, message_ids: Sequence[str], places: Sequence[str], moving: Mapping[str, str]
) -> list[Ticket]:
    """The tickets of these messages, and of each place the one that counts there; where channels move (old key -> new
    key), all of the old ones and the active ones of the new ones too. Locked until the transaction ends.
    """
    if moving:
        return await _locked(connection, _LOCK_CHANNELS, message_ids, places, list(moving), list(moving.values()))
    return await _locked(connection, _LOCK_CONCERNED, message_ids, places)


async def _locked(connection: Connection, lock: str, *wanted: object) -> list[Ticket]:
    ids = [row["id"] for row in await connection.fetch(lock, *wanted)]
    return [ticket_of(row) for row in await connection.fetch(_READ, ids)] if ids else []


def ticket_of(row: asyncpg.Record) -> Ticket:
    state: dict[str, Any] = {name: row[name] for name in _PLAIN}
    state |= {
        "status": row["status"],
        "priority": row["priority"],
        "tags": tuple(row["tags"]),
        "requester": Requester(id=row["requester_id"], key=PersonKey(row["requester_key"]), name=row["requester_name"]),
        "place_key": row["place_key"],
        "pings": () if row["pings"] == "[]" else _pings.validate_json(row["pings"]),
        "conversations": () if row["conversations"] is None else _conversations.validate_json(row["conversations"]),
    }
    return Ticket(
        TicketState(**state),
        opening_message_id=row["opening_message_id"],
        customer_messages=row["customer_messages"],
        traceparent=row["traceparent"],
    )


_PLAIN = (
    "id",
    "number",
    "subject",
    "queue",
    "assignee_id",
    "version",
    "revision",
    "created_at",
    "updated_at",
    "first_response_at",
    "solved_at",
    "closed_at",
    "ended_at",
    "last_customer_message_at",
    "last_desk_message_at",
    "follows",
)


def _home(ticket: Ticket) -> Any:
    conversations = ticket.state.conversations
    return conversations[0].place.channel if conversations else None


def _pings_json(ticket: Ticket) -> str:
    return to_json(list(ticket.state.pings)) if ticket.state.pings else "[]"


_IN_USE: tuple[Column[Ticket], ...] = (
    Column("id", "text", lambda t: t.state.id),
    Column("status", "text", lambda t: t.state.status),
    Column("queue", "text", lambda t: t.state.queue),
    Column("priority", "text", lambda t: t.state.priority),
    Column("tags", "list", lambda t: join(t.state.tags)),
    Column("version", "bigint", lambda t: t.state.version),
    Column("revision", "bigint", lambda t: t.state.revision),
    Column("updated_at", "timestamptz", lambda t: t.state.updated_at),
    Column("last_customer_message_at", "timestamptz", lambda t: t.state.last_customer_message_at),
    Column("place_key", "text", lambda t: t.state.place_key),
    Column("channel_key", "text", lambda t: None if (home := _home(t)) is None else home.key),
    Column("customer_messages", "int", lambda t: t.customer_messages),
    Column("traceparent", "text", lambda t: t.traceparent),
)
_LATER: tuple[Column[Ticket], ...] = (
    Column("assignee_id", "text", lambda t: t.state.assignee_id),
    Column("first_response_at", "timestamptz", lambda t: t.state.first_response_at),
    Column("solved_at", "timestamptz", lambda t: t.state.solved_at),
    Column("closed_at", "timestamptz", lambda t: t.state.closed_at),
    Column("ended_at", "timestamptz", lambda t: t.state.ended_at),
    Column("last_desk_message_at", "timestamptz", lambda t: t.state.last_desk_message_at),
    Column("pings", "jsonb", _pings_json),
)
"""What a ticket that was just opened doesn't have yet."""
_FIXED: tuple[Column[Ticket], ...] = (
    Column("number", "bigint", lambda t: t.state.number),
    Column("subject", "text", lambda t: t.state.subject),
    Column("requester_id", "text", lambda t: t.state.requester.id),
    Column("requester_key", "text", lambda t: t.state.requester.key),
    Column("requester_name", "text", lambda t: t.state.requester.name),
    Column("created_at", "timestamptz", lambda t: t.state.created_at),
    Column("follows", "text", lambda t: t.state.follows),
    Column("platform", "text", lambda t: None if (home := _home(t)) is None else home.platform),
    Column("opening_message_id", "text", lambda t: t.opening_message_id),
)
FRESH_COLUMNS = _IN_USE + _FIXED
COLUMNS = FRESH_COLUMNS + _LATER
UPDATE_COLUMNS = _IN_USE + _LATER
UPDATE = update("tickets", "id", UPDATE_COLUMNS)


def are_fresh(opened: Iterable[Ticket]) -> bool:
    """Whether nothing but their customers' messages happened to them: the usual case, with fewer columns to send."""
    return all(t.state.last_desk_message_at is None and t.state.ended_at is None and not t.state.pings for t in opened)


def insert_tickets(columns: Sequence[Column[Ticket]], first: int) -> str:
    """An active ticket of the same place wins; the caller sees fewer rows than it gave."""
    return insert("tickets", columns, first=first, after="ON CONFLICT DO NOTHING RETURNING 1")


ConversationRow = tuple[str, int, Conversation]
CONVERSATION_COLUMNS: tuple[Column[ConversationRow], ...] = (
    Column("ticket_id", "text", lambda r: r[0]),
    Column("position", "int", lambda r: r[1]),
    Column("id", "text", lambda r: r[2].id),
    Column("channel_key", "text", lambda r: r[2].place.channel.key),
    Column("place", "jsonb", lambda r: model_json(r[2].place)),
    Column("replies_key", "text", lambda r: r[2].replies_key),
)


def insert_conversations(first: int) -> str:
    return insert(
        "conversations",
        CONVERSATION_COLUMNS,
        first=first,
        after="ON CONFLICT (ticket_id, position) DO UPDATE SET "
        "id = excluded.id, channel_key = excluded.channel_key, place = excluded.place, "
        "replies_key = excluded.replies_key",
    )


def conversation_rows(ticket: Ticket) -> list[ConversationRow]:
    return [(ticket.id, position, one) for position, one in enumerate(ticket.state.conversations)]


def loads(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
