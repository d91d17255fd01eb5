"""`python -m bench.floor.router`: reads events and ticket changes, writes view, decisions and outbox with its positions
in one transaction, publishes the commands, and deletes them with the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from bench.floor.common import (
    BATCH,
    CHANGES,
    CLAIM,
    COMMANDS,
    EVENTS,
    Header,
    Polled,
    Publisher,
    claim_arguments,
    consumer,
    digest,
    headers,
    pack,
    pool,
    producer,
    ready,
    run,
    unpack,
)

_BEGIN = f"""{CLAIM}
SELECT NULL AS place_key, NULL AS conversation_id, count(*)::text AS ticket FROM moved
UNION ALL
SELECT p.place_key, c.conversation_id, c.opening_ticket_id
FROM places p JOIN conversations c USING (conversation_id) WHERE p.place_key = ANY($5::text[])"""  # noqa: S608 - a constant of this package

_WRITE = """
WITH m AS (
    INSERT INTO messages (message_key, conversation_id, place_key, role, ours, content, sent_at)
    SELECT key, conversation, place, 'customer', false, content, at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
        AS r(key, conversation, place, content, at)
    ON CONFLICT DO NOTHING
), c AS (
    INSERT INTO conversations (conversation_id, place_key, opening_ticket_id, started_at)
    SELECT * FROM unnest($6::text[], $7::text[], $8::text[], $9::timestamptz[]) ON CONFLICT DO NOTHING
), p AS (
    INSERT INTO places (place_key, conversation_id)
    SELECT * FROM unnest($7::text[], $6::text[]) ON CONFLICT DO NOTHING
), s AS (
    INSERT INTO speakers (channel_key, backfilled, person_key, at, place_key)
    SELECT channel, false, person, at, place
    FROM unnest($10::text[], $11::text[], $12::timestamptz[], $13::text[]) AS r(channel, person, at, place)
    ON CONFLICT (channel_key, backfilled) DO UPDATE SET person_key = excluded.person_key, at = excluded.at,
        place_key = excluded.place_key
), d AS (
    INSERT INTO decisions (event_id, rule, facts, policy_version, partition, "offset")
    SELECT id, rule, facts, 0, partition, at
    FROM unnest($1::text[], $14::text[], $15::jsonb[], $16::int[], $17::bigint[]) AS r(id, rule, facts, partition, at)
    ON CONFLICT DO NOTHING
), t AS (
    INSERT INTO tickets (ticket_id, version, number, status, last_customer_message_at, changed_at)
    SELECT * FROM unnest($18::text[], $19::bigint[], $20::bigint[], $21::text[], $22::timestamptz[], $23::timestamptz[])
    ON CONFLICT (ticket_id) DO UPDATE SET version = excluded.version, number = excluded.number,
        status = excluded.status, last_customer_message_at = excluded.last_customer_message_at,
        changed_at = excluded.changed_at
    WHERE tickets.version < excluded.version
), tc AS (
    INSERT INTO ticket_conversations (conversation_id, ticket_id, place_key, changed_at)
    SELECT * FROM unnest($24::text[], $25::text[], $26::text[], $27::timestamptz[])
    ON CONFLICT DO NOTHING
), gone AS (
    DELETE FROM outbox WHERE id = ANY($28::bigint[])
)
INSERT INTO outbox (topic, key, headers, payload)
SELECT $29, key, headers, payload
FROM unnest($30::bytea[], $31::bytea[], $32::bytea[]) WITH ORDINALITY AS r(key, headers, payload, n) ORDER BY n
RETURNING id"""


@dataclass(slots=True)
class Batch:
    """What one batch writes, in columns."""

    messages: list[tuple[str, str, str, str, datetime]] = field(default_factory=list)
    opened: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    speakers: dict[str, tuple[str, datetime, str]] = field(default_factory=dict)
    decisions: list[tuple[str, str, int, int]] = field(default_factory=list)
    commands: list[tuple[bytes, bytes, list[Header]]] = field(default_factory=list)

    def decide(self, record: Any, event: dict[str, Any], places: dict[str, tuple[str, str]]) -> None:
        """A top-level post, or one in a thread that nobody knows, opens a ticket; another is appended."""
        key, channel = event["message_key"], event["channel"]["key"]
        thread = event.get("thread") or key.rpartition(":")[2]
        place = f"{channel}/{thread}"
        sent_at = datetime.fromisoformat(event["occurred_at"])
        known = places.get(place)
        if known is None:
            known = places[place] = digest("cnv", place, key), digest("tkt", place, key)
            self.opened.append((known[0], place, known[1], sent_at))
            rule = "post_opens"
        else:
            rule = "append_thread"
        conversation, ticket = known
        content = f"{len(event['text'])}:{hash(event['text']) & 0xFFFFFFFFFFFF:012x}"
        self.messages.append((key, conversation, place, content, sent_at))
        self.speakers[channel] = event["author"]["key"], sent_at, place
        facts = {"role": "customer", "place": place, "conversation": conversation, "ticket": ticket}
        self.decisions.append((rule, orjson.dumps(facts).decode(), record.partition, record.offset))
        command = {
            "command_id": f"{key}#0",
            "event_id": key,
            "decided": {"partition": record.partition, "offset": record.offset, "rule": rule, "policy_version": 0},
            "received_at": event["received_at"],
            "channel_key": channel,
            "message": {
                "message_key": key,
                "author": event["author"],
                "role": "customer",
                "text": event["text"],
                "sent_at": event["occurred_at"],
                "thread": event.get("thread"),
                "attachments": [],
                "context": False,
            },
            "place": {"key": place, "channel": event["channel"], "thread": thread},
            "ticket_id": ticket,
            "open": {
                "ticket_id": ticket,
                "conversation_id": conversation,
                "reopen_within": 259200.0,
                "queue": "support",
                "priority": "normal",
                "tags": [],
            },
        }
        of = headers(f"{key}#0", "okno.ticket.place_message.v1", "floor/router", event["occurred_at"])
        self.commands.append((channel.encode(), orjson.dumps(command), of))


def columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """One array a column."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]


def newest_changes(polled: Polled) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of tickets and of their conversations, the newest version of each ticket."""
    newest: dict[str, dict[str, Any]] = {}
    for tp, records in polled.items():
        if tp.topic == CHANGES:
            for record in records:
                change = orjson.loads(record.value)
                newest[change["ticket_id"]] = change
    tickets, conversations = [], []
    for ticket_id, change in sorted(newest.items()):
        state, at = change["ticket"], datetime.fromisoformat(change["at"])
        last = datetime.fromisoformat(state["last_customer_message_at"])
        tickets.append((ticket_id, change["version"], state["number"], state["status"], last, at))
        conversations += [(one["id"], ticket_id, one["place"]["key"], at) for one in state["conversations"]]
    return tickets, conversations


async def handle(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], polled: Polled, published: list[int]
) -> tuple[list[int], Batch]:
    """One batch: two statements inside a transaction."""
    events = [
        (record, orjson.loads(record.value))
        for tp, records in polled.items()
        if tp.topic == EVENTS
        for record in records
    ]
    asked = {f"{event['channel']['key']}/{event['thread']}" for _, event in events if "thread" in event}
    batch = Batch()
    async with connection.transaction():
        found = await connection.fetch(_BEGIN, *claim_arguments(polled), list(asked))
        if int(found[0]["ticket"]) != len(polled):
            raise RuntimeError("a position stands elsewhere")
        places = {row["place_key"]: (row["conversation_id"], row["ticket"]) for row in found[1:]}
        for record, event in events:
            batch.decide(record, event, places)
        tickets, conversations = newest_changes(polled)
        spoke = [(channel, *said) for channel, said in batch.speakers.items()]
        rows = await connection.fetch(
            _WRITE,
            *columns(batch.messages, 5),
            *columns(batch.opened, 4),
            *columns(spoke, 4),
            *columns(batch.decisions, 4),
            *columns(tickets, 6),
            *columns(conversations, 4),
            published,
            COMMANDS,
            [key for key, _, _ in batch.commands],
            [pack(of) for _, _, of in batch.commands],
            [value for _, value, _ in batch.commands],
        )
    return [row["id"] for row in rows], batch


async def main() -> None:
    database = await pool("floor_router")
    source = await consumer(database, EVENTS, CHANGES)
    to = await producer()
    publisher = Publisher(to)
    left = await database.fetch("SELECT id, topic, key, headers, payload FROM outbox ORDER BY id")
    await publisher.publish((row["topic"], row["key"], row["payload"], unpack(row["headers"])) for row in left)
    published = [row["id"] for row in left]
    ready()
    try:
        while True:
            polled = await source.getmany(timeout_ms=1000, max_records=BATCH)
            if polled or published:
                async with database.acquire() as connection:
                    ids, batch = await handle(connection, polled, published)
                await publisher.publish((COMMANDS, key, value, of) for key, value, of in batch.commands)
                published = ids
    finally:
        await to.stop()
        await source.stop()


if __name__ == "__main__":
    run(main)
