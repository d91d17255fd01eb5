"""Forgets a person: their words, names and files, and what the desk wrote in the tickets that they opened.

No version is taken and no event published: ids, keys, times and states stay, so whatever comes again is recognised.
Only portions of tickets are locked, in the order of their ids, as by everybody else who writes them.
"""

import json
from collections.abc import Sequence

from chassis.database import Connection, Database
from chassis.erasure import PATIENCE, rewrite, rewrite_outbox, rows_of
from contracts.erasure import ERASED, Erased
from contracts.keys import PersonKey

PORTION = 200

_DESK_MEMBER = "SELECT agent_id FROM agent_identities WHERE person_key = $1 AND active"
_OPENED = "SELECT id FROM tickets WHERE requester_key = $1 ORDER BY id"
_WRITTEN = "SELECT id FROM messages WHERE author_key = $1"
_CONCERNED = """
SELECT id FROM tickets WHERE requester_key = $1
UNION SELECT ticket_id FROM messages
    WHERE author_key = $1 OR mentions @> jsonb_build_array(jsonb_build_object('key', $1::text))
UNION SELECT ticket_id FROM history WHERE actor_id = $1 AND actor_name IS NOT NULL
ORDER BY 1"""
_LOCK = "SELECT FROM tickets WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"
# $1 tickets, $2 the person, $3 what stands for a text. Their messages, and the desk's where they opened the ticket.
_MESSAGES = """
WITH gone AS (
    SELECT m.id FROM messages m JOIN tickets t ON t.id = m.ticket_id
    WHERE m.ticket_id = ANY($1::text[]) AND (
        m.author_key = $2 OR (t.requester_key = $2 AND (m.kind <> 'chat' OR m.author_kind = 'agent'))
    )
), texts AS (
    UPDATE revisions r SET text = $3 FROM gone WHERE r.message_id = gone.id AND r.text <> $3
), changes AS (
    UPDATE history h SET changes = h.changes - 'text' - 'attachments' FROM gone
    WHERE h.ticket_id = ANY($1::text[]) AND h.message_id = gone.id AND h.changes ?| ARRAY['text', 'attachments']
)
UPDATE messages m SET text = $3, attachments = NULL,
    author_name = CASE WHEN author_key = $2 THEN NULL ELSE author_name END
FROM gone WHERE m.id = gone.id AND (
    m.text <> $3 OR m.attachments IS NOT NULL OR (m.author_key = $2 AND m.author_name IS NOT NULL)
)"""
_MENTIONS = """
UPDATE messages SET mentions = (
    SELECT jsonb_agg(CASE WHEN one->>'key' = $2 THEN one - 'name' ELSE one END ORDER BY n)
    FROM jsonb_array_elements(mentions) WITH ORDINALITY AS a(one, n)
)
WHERE ticket_id = ANY($1::text[]) AND mentions @> jsonb_build_array(jsonb_build_object('key', $2::text))"""
_HISTORY = """
UPDATE history SET actor_name = NULL
WHERE ticket_id = ANY($1::text[]) AND actor_id = $2 AND actor_name IS NOT NULL"""
_SUBJECTS = """
UPDATE history h SET changes = h.changes - 'subject' FROM tickets t
WHERE t.id = ANY($1::text[]) AND t.requester_key = $2 AND h.ticket_id = t.id AND h.changes ? 'subject'"""
_TICKETS = """
UPDATE tickets SET subject = $3, requester_name = NULL
WHERE id = ANY($1::text[]) AND requester_key = $2 AND (subject, requester_name) IS DISTINCT FROM ($3, NULL)"""
# Telegram: a private chat's name is the person's. Its key ends with their id, $2.
_PLACES = """
UPDATE conversations SET place = place #- '{channel,name}'
WHERE ticket_id = ANY($1::text[]) AND place->'channel'->>'type' = 'dialog' AND channel_key LIKE 'telegram:%:' || $2
    AND place->'channel' ? 'name'"""
# A profile from before the erasure is older than this one.
_IDENTITY = """
UPDATE identities SET name = NULL, real_name = NULL, email = NULL, time_zone = NULL, locale = NULL, avatar_url = NULL,
    profile_at = now()
WHERE person_key = $1"""
_ANSWERS = """
UPDATE idempotency_keys SET response = '{}'
WHERE response <> '{}' AND EXISTS (
    SELECT FROM unnest($1::text[]) AS id WHERE position(convert_to('"' || id || '"', 'UTF8') IN response) > 0
)"""
_NAMED = "SELECT id, key, value FROM dead_letters WHERE position(convert_to($1, 'UTF8') IN value) > 0"
_CUT = "UPDATE dead_letters SET value = '', truncated = true WHERE id = $1"


async def whose(connection: Connection, person: PersonKey) -> Erased:
    """All that is the person's, by id."""
    await connection.execute(PATIENCE)
    messages = await connection.fetch(_WRITTEN, person)
    tickets = await connection.fetch(_OPENED, person)
    return Erased(person, frozenset(row[0] for row in messages), frozenset(row[0] for row in tickets))


async def desk_member(connection: Connection, person: PersonKey) -> str | None:
    """The agent whose chat identity this is."""
    found: str | None = await connection.fetchval(_DESK_MEMBER, person)
    return found


async def erase(database: Database, erased: Erased) -> dict[str, int]:
    """Rows changed, by table. Each step is a transaction and may be done again."""
    async with database.transaction() as connection:
        await connection.execute(PATIENCE)
        concerned = [row[0] for row in await connection.fetch(_CONCERNED, erased.person)]
        await connection.execute(_IDENTITY, erased.person)
    done = {"tickets": 0, "messages": 0, "history": 0}
    for begin in range(0, len(concerned), PORTION):
        async with database.transaction() as connection:
            await _erase_tickets(connection, concerned[begin : begin + PORTION], erased, done)
    async with database.transaction() as connection:
        await connection.execute(PATIENCE)
        ids = [erased.person, *erased.tickets, *erased.messages]
        done["idempotency_keys"] = rows_of(await connection.execute(_ANSWERS, ids))
    done["early_changes"] = await rewrite(database, "early_changes", "command_id", "command", erased)
    done["dead_letters"] = await rewrite(database, "dead_letters", "id", "value", erased)
    done["dead_letters"] += await rewrite(
        database, "dead_letter_edits", "dead_letter_id || ' ' || number", "value", erased
    )
    done["dead_letters"] += await _cut_raw(database, erased)
    done["outbox"] = await rewrite_outbox(database, erased)
    return done


async def _erase_tickets(connection: Connection, ids: Sequence[str], erased: Erased, done: dict[str, int]) -> None:
    await connection.execute(_LOCK, ids)
    done["messages"] += rows_of(await connection.execute(_MESSAGES, ids, erased.person, ERASED))
    await connection.execute(_MENTIONS, ids, erased.person)
    done["history"] += rows_of(await connection.execute(_HISTORY, ids, erased.person))
    await connection.execute(_SUBJECTS, ids, erased.person)
    await connection.execute(_PLACES, ids, erased.id)
    done["tickets"] += rows_of(await connection.execute(_TICKETS, ids, erased.person, ERASED))


async def _cut_raw(database: Database, erased: Erased) -> int:
    """Payloads that broke a parser, kept under their platform's name, and what is no JSON: gone as a whole."""
    async with database.transaction() as connection:
        await connection.execute(PATIENCE)
        named = [
            (row["id"],)
            async for row in connection.cursor(_NAMED, erased.id, prefetch=20)
            if (row["key"] == erased.platform.encode() or not _is_json(row["value"]))
            and erased.is_named_in(row["value"])
        ]
        await connection.executemany(_CUT, named)
    return len(named)


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
