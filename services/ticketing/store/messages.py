"""Rows of messages, their former texts and reactions."""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from pydantic import TypeAdapter

from contracts.chat import Attachment, Person
from contracts.keys import MessageKey
from contracts.ticket_events_v1 import Revision
from services.ticketing.domain.ticket import CARRIED, AuthorKind, Delivery, Message, MessageKind, Reaction
from services.ticketing.store.rows import Column, insert, join, to_json, update

SHOWN = 100
"""So many former texts of a message the API shows at the most, the latest. All are stored."""


def select(revisions: int) -> str:
    """Messages with the latest of their former texts, so many at the most, the oldest of them first."""
    return f"""
SELECT m.*,
    CASE WHEN m.revision_count > 0 THEN (
        SELECT json_agg(json_build_object('text', text, 'replaced_at', replaced_at, 'number', number)
            ORDER BY number)
        FROM (SELECT * FROM revisions WHERE message_id = m.id ORDER BY number DESC LIMIT {revisions}) latest
    )::text END AS revisions,
    CASE WHEN m.reaction_count > 0 THEN (
        SELECT json_agg(json_build_object('person_key', person_key, 'name', name, 'added', added, 'at', at,
                'author_kind', author_kind, 'agent_id', agent_id)
            ORDER BY at, person_key, name)
        FROM reactions WHERE message_id = m.id
    )::text END AS reactions
FROM messages m"""  # noqa: S608


BY_IDS = f"{select(CARRIED)} WHERE m.id = ANY($1::text[])"
ONE_OF_TICKET = f"{select(CARRIED)} WHERE m.ticket_id = $1 AND m.id = $2"

_revisions = TypeAdapter(tuple[Revision, ...])
_reactions = TypeAdapter(tuple[Reaction, ...])
_attachments = TypeAdapter(tuple[Attachment, ...])
_people = TypeAdapter(tuple[Person, ...])


def message_of(row: asyncpg.Record) -> Message:
    return Message(
        id=row["id"],
        ticket_id=row["ticket_id"],
        kind=MessageKind(row["kind"]),
        author_kind=AuthorKind(row["author_kind"]),
        text=row["text"],
        sent_at=row["sent_at"],
        ordinal=row["ordinal"],
        conversation_id=row["conversation_id"],
        author_key=row["author_key"],
        author_name=row["author_name"],
        agent_id=row["agent_id"],
        thread=row["thread"],
        reply_to=row["reply_to"],
        attachments=_attachments.validate_json(row["attachments"]) if row["attachments"] else (),
        mentions=_people.validate_json(row["mentions"]) if row["mentions"] else (),
        context=row["context"],
        edited_at=row["edited_at"],
        deleted_at=row["deleted_at"],
        revisions=_revisions.validate_json(row["revisions"]) if row["revisions"] else (),
        reactions=_reactions.validate_json(row["reactions"]) if row["reactions"] else (),
        delivery=_delivery(row),
        traceparent=row["traceparent"],
    )


def _delivery(row: asyncpg.Record) -> Delivery | None:
    if row["delivery_state"] is None:
        return None
    return Delivery(
        state=row["delivery_state"],
        operation=row["delivery_operation"],
        operation_state=row["delivery_operation_state"] or row["delivery_state"],
        attempts=row["delivery_attempts"],
        error_code=row["delivery_error_code"],
        error=row["delivery_error"],
        version=row["delivery_version"],
        message_keys=tuple(MessageKey(key) for key in row["delivery_keys"] or ()),
    )


def _of_delivery(name: str) -> Any:
    return lambda m: None if m.delivery is None else getattr(m.delivery, name)


PLAIN_COLUMNS: tuple[Column[Message], ...] = (
    Column("id", "text", lambda m: m.id),
    Column("ticket_id", "text", lambda m: m.ticket_id),
    Column("conversation_id", "text", lambda m: m.conversation_id),
    Column("kind", "text", lambda m: m.kind),
    Column("author_kind", "text", lambda m: m.author_kind),
    Column("author_key", "text", lambda m: m.author_key),
    Column("author_name", "text", lambda m: m.author_name),
    Column("text", "text", lambda m: m.text),
    Column("sent_at", "timestamptz", lambda m: m.sent_at),
    Column("ordinal", "bigint", lambda m: m.ordinal),
    Column("thread", "text", lambda m: m.thread),
    Column("traceparent", "text", lambda m: m.traceparent),
)
"""All that a plain customer's message has."""
_CHANGING: tuple[Column[Message], ...] = (
    Column("attachments", "jsonb", lambda m: to_json(list(m.attachments)) if m.attachments else None),
    Column("edited_at", "timestamptz", lambda m: m.edited_at),
    Column("deleted_at", "timestamptz", lambda m: m.deleted_at),
    Column("revision_count", "int", lambda m: revision_rows(m)[-1][1] + 1 if m.revisions else 0),
    Column("reaction_count", "int", lambda m: len(m.reactions)),
    Column("delivery_state", "text", _of_delivery("state")),
    Column("delivery_operation", "text", _of_delivery("operation")),
    Column("delivery_operation_state", "text", _of_delivery("operation_state")),
    Column("delivery_attempts", "int", _of_delivery("attempts")),
    Column("delivery_error_code", "text", _of_delivery("error_code")),
    Column("delivery_error", "text", _of_delivery("error")),
    Column("delivery_version", "bigint", _of_delivery("version")),
    Column("delivery_keys", "list", lambda m: None if m.delivery is None else join(m.delivery.message_keys)),
)
_RARE: tuple[Column[Message], ...] = (
    Column("agent_id", "text", lambda m: m.agent_id),
    Column("reply_to", "text", lambda m: m.reply_to),
    Column("mentions", "jsonb", lambda m: to_json(list(m.mentions)) if m.mentions else None),
    Column("context", "boolean", lambda m: m.context),
)
COLUMNS = PLAIN_COLUMNS + _CHANGING + _RARE
UPDATE_COLUMNS = tuple(one for one in PLAIN_COLUMNS if one.name in {"id", "text"}) + _CHANGING
UPDATE = update("messages", "id", UPDATE_COLUMNS)


def are_plain(added: Iterable[Message]) -> bool:
    """Whether they have nothing beyond `PLAIN_COLUMNS`: the usual case, with less than half of the columns to send."""
    return not any(
        m.delivery or m.agent_id or m.reply_to or m.attachments or m.revisions or m.reactions or m.deleted_at
        or m.edited_at or m.context or m.mentions
        for m in added
    )  # fmt: skip


def insert_messages(columns: Sequence[Column[Message]], first: int) -> str:
    """A message that is there already stays as it is; the caller sees fewer rows than it gave."""
    return insert("messages", columns, first=first, after="ON CONFLICT DO NOTHING RETURNING 1")


RevisionRow = tuple[str, int, Revision]
REVISION_COLUMNS: tuple[Column[RevisionRow], ...] = (
    Column("message_id", "text", lambda r: r[0]),
    Column("number", "int", lambda r: r[1]),
    Column("text", "text", lambda r: r[2].text),
    Column("replaced_at", "timestamptz", lambda r: r[2].replaced_at),
)


def revision_rows(message: Message) -> list[RevisionRow]:
    """By their numbers; where an older event has none, its list is whole."""
    numbered = enumerate(message.revisions)
    return [(message.id, at if one.number is None else one.number, one) for at, one in numbered]


INSERT_REVISIONS = insert("revisions", REVISION_COLUMNS, after="ON CONFLICT DO NOTHING")

ReactionRow = tuple[str, Reaction]
REACTION_COLUMNS: tuple[Column[ReactionRow], ...] = (
    Column("message_id", "text", lambda r: r[0]),
    Column("person_key", "text", lambda r: r[1].person_key),
    Column("name", "text", lambda r: r[1].name),
    Column("added", "boolean", lambda r: r[1].added),
    Column("at", "timestamptz", lambda r: r[1].at),
    Column("author_kind", "text", lambda r: r[1].author_kind),
    Column("agent_id", "text", lambda r: r[1].agent_id),
)
UPSERT_REACTIONS = insert(
    "reactions",
    REACTION_COLUMNS,
    after="ON CONFLICT (message_id, person_key, name) DO UPDATE SET added = excluded.added, at = excluded.at, "
    "author_kind = coalesce(excluded.author_kind, reactions.author_kind), "
    "agent_id = coalesce(excluded.agent_id, reactions.agent_id) "
    "WHERE reactions.at <= excluded.at AND (reactions.at, reactions.added) <> (excluded.at, excluded.added)",
)

INSERT_POSTED = """
INSERT INTO posted_keys (message_key, message_id)
SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING"""
