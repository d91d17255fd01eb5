"""`python -m bench.floor.ticketing`: applies commands (ticket, conversation, message, history, ledger, contact, outbox
and positions in one transaction), and a relay that publishes the outbox in order and deletes it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from bench.floor.common import (
    BATCH,
    CHANGES,
    CLAIM,
    COMMANDS,
    TRACEPARENT,
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
from bench.floor.router import columns

_BEGIN = f"""{CLAIM}, locked AS (
    SELECT id, number, subject, status, requester_id, requester_key, version, created_at, place_key, opening_message_id,
        customer_messages
    FROM tickets WHERE place_key = ANY($5::text[])
        AND status IN ('new', 'open', 'pending', 'on_hold', 'comment_deleted')
    ORDER BY id FOR NO KEY UPDATE
)
SELECT (SELECT count(*) FROM moved) AS moved,
    ARRAY(SELECT command_id FROM commands WHERE command_id = ANY($6::text[])) AS applied,
    ARRAY(SELECT nextval('ticket_numbers') FROM generate_series(1, $7 - (SELECT count(*) FROM locked))) AS numbers,
    coalesce((SELECT json_agg(l) FROM locked l), '[]')::text AS tickets"""  # noqa: S608 - a constant of this package

_WRITE = """
WITH changed AS (
    UPDATE tickets t SET status = r.status, version = r.version, updated_at = $1, last_customer_message_at = r.last,
        customer_messages = r.messages, traceparent = $2
    FROM unnest($3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::int[]) AS r(id, status, version, last,
        messages)
    WHERE t.id = r.id
), t AS (
    INSERT INTO tickets (id, number, subject, status, priority, queue, requester_id, requester_key, version, revision,
        created_at, updated_at, last_customer_message_at, place_key, platform, channel_key, opening_message_id,
        customer_messages, traceparent)
    SELECT id, number, subject, status, 'normal', 'support', requester, requester_key, version, 0, $1, $1, last, place,
        'slack', channel, opening, messages, $2
    FROM unnest($8::text[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[],
        $15::timestamptz[], $16::text[], $17::text[], $18::text[], $19::int[])
        AS r(id, number, subject, status, requester, requester_key, version, last, place, channel, opening, messages)
), c AS (
    INSERT INTO conversations (ticket_id, position, id, channel_key, place)
    SELECT ticket, 0, id, channel, place::jsonb
    FROM unnest($8::text[], $20::text[], $17::text[], $21::text[]) AS r(ticket, id, channel, place)
), m AS (
    INSERT INTO messages (id, ticket_id, conversation_id, kind, author_kind, author_key, text, sent_at, ordinal, thread,
        traceparent)
    SELECT id, ticket, conversation, 'chat', 'customer', author, text, at, ordinal, thread, $2
    FROM unnest($22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $27::timestamptz[], $28::bigint[],
        $29::text[]) AS r(id, ticket, conversation, author, text, at, ordinal, thread)
), h AS (
    INSERT INTO history (ticket_id, version, at, kind, cause_kind, cause_id, actor_kind, actor_id, changes, message_id,
        traceparent)
    SELECT ticket, version, $1, kind, 'command', cause, 'customer', author, changes::jsonb, message, $2
    FROM unnest($23::text[], $30::bigint[], $31::text[], $32::text[], $25::text[], $33::text[], $22::text[])
        AS r(ticket, version, kind, cause, author, changes, message)
), d AS (
    INSERT INTO commands (command_id, outcome, ticket_id, applied_at)
    SELECT id, outcome, ticket, $1 FROM unnest($32::text[], $31::text[], $23::text[]) AS r(id, outcome, ticket)
), contact AS (
    INSERT INTO contacts (id, created_at) SELECT DISTINCT id, $1 FROM unnest($12::text[]) AS r(id) ORDER BY 1
    ON CONFLICT DO NOTHING
), identity AS (
    INSERT INTO identities (person_key, contact_id)
    SELECT DISTINCT person, contact FROM unnest($13::text[], $12::text[]) AS r(person, contact) ORDER BY 1
    ON CONFLICT DO NOTHING
)
INSERT INTO outbox (topic, key, headers, payload)
SELECT $34, key, headers, payload
FROM unnest($35::bytea[], $36::bytea[], $37::bytea[]) WITH ORDINALITY AS r(key, headers, payload, n) ORDER BY n"""

_TURN = """
WITH gone AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]))
SELECT id, topic, key, headers, payload FROM outbox WHERE id <> ALL($1::bigint[]) ORDER BY id LIMIT $2"""


@dataclass(slots=True)
class Batch:
    """Tickets by place, and what is written of them."""

    at: datetime
    tickets: dict[str, dict[str, Any]]
    numbers: list[int]
    opened: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)

    def apply(self, command: dict[str, Any]) -> None:
        """Append to the place's ticket, or open one."""
        place, said = command["place"], command["message"]
        ticket = self.tickets.get(place["key"])
        if ticket is None:
            ticket = self.tickets[place["key"]] = self._open(command)
            kind, changes = "opened", "{}"
        else:
            kind, changes = "message_added", "{}"
            ticket["version"] += 1
            ticket["customer_messages"] += 1
            if ticket["id"] not in self.opened:
                self.changed[ticket["id"]] = ticket
        ticket["last_customer_message_at"] = said["sent_at"]
        seconds, _, fraction = said["message_key"].rpartition(":")[2].partition(".")
        self.messages.append(
            (
                said["message_key"],
                ticket["id"],
                command["open"]["conversation_id"],
                said["author"]["key"],
                said["text"],
                datetime.fromisoformat(said["sent_at"]),
                int(seconds) * 1_000_000 + int(fraction),
                said["thread"],
                ticket["version"],
                kind,
                command["command_id"],
                changes,
            )
        )
        self._say(ticket, kind, command)

    def _open(self, command: dict[str, Any]) -> dict[str, Any]:
        said, author = command["message"], command["message"]["author"]["key"]
        ticket = {
            "id": command["open"]["ticket_id"],
            "number": self.numbers.pop(),
            "subject": said["text"].partition("\n")[0][:120],
            "status": "new",
            "requester_id": digest("con", author),
            "requester_key": author,
            "version": 1,
            "created_at": self.at.isoformat(),
            "place_key": command["place"]["key"],
            "opening_message_id": said["message_key"],
            "customer_messages": 1,
            "channel": command["channel_key"],
            "conversation": command["open"]["conversation_id"],
            "place": command["place"],
        }
        self.opened[ticket["id"]] = ticket
        return ticket

    def _say(self, ticket: dict[str, Any], kind: str, command: dict[str, Any]) -> None:
        said, at = command["message"], self.at.isoformat()
        event = {
            "ticket_id": ticket["id"],
            "version": ticket["version"],
            "kind": kind,
            "at": at,
            "cause": {
                "kind": "command",
                "id": command["command_id"],
                "actor": {"kind": "customer", "id": said["author"]["key"]},
            },
            "changes": {},
            "ticket": {
                "id": ticket["id"],
                "number": ticket["number"],
                "subject": ticket["subject"],
                "status": ticket["status"],
                "priority": "normal",
                "queue": "support",
                "requester": {"id": ticket["requester_id"], "key": ticket["requester_key"]},
                "version": ticket["version"],
                "revision": 0,
                "created_at": ticket["created_at"],
                "updated_at": at,
                "tags": [],
                "place_key": ticket["place_key"],
                "conversations": [{"id": command["open"]["conversation_id"], "place": command["place"]}],
                "last_customer_message_at": said["sent_at"],
                "pings": [],
            },
            "message": {
                "id": said["message_key"],
                "author_kind": "customer",
                "text": said["text"],
                "created_at": said["sent_at"],
                "author_key": said["author"]["key"],
                "internal": False,
                "conversation_id": command["open"]["conversation_id"],
                "revisions": [],
                "reactions": [],
            },
        }
        of = headers(f"{ticket['id']}:{ticket['version']}", "okno.ticket.changed.v1", "floor/ticketing", at)
        self.events.append((ticket["id"].encode(), pack(of), orjson.dumps(event)))


async def handle(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], polled: Polled) -> None:
    """One batch: two statements inside a transaction."""
    commands = [orjson.loads(record.value) for records in polled.values() for record in records]
    places = list({command["place"]["key"] for command in commands})
    async with connection.transaction():
        found = await connection.fetchrow(
            _BEGIN, *claim_arguments(polled), places, [command["command_id"] for command in commands], len(places)
        )
        assert found is not None
        if found["moved"] != len(polled):
            raise RuntimeError("a position stands elsewhere")
        applied = set(found["applied"])
        known = {ticket["place_key"]: ticket for ticket in orjson.loads(found["tickets"])}
        batch = Batch(datetime.now(UTC), known, found["numbers"])
        for command in commands:
            if command["command_id"] not in applied:
                batch.apply(command)
        await _write(connection, batch)


async def _write(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], batch: Batch) -> None:
    changed = [
        (
            t["id"],
            t["status"],
            t["version"],
            datetime.fromisoformat(t["last_customer_message_at"]),
            t["customer_messages"],
        )
        for t in batch.changed.values()
    ]
    opened = [
        (
            t["id"], t["number"], t["subject"], t["status"], t["requester_id"], t["requester_key"], t["version"],
            datetime.fromisoformat(t["last_customer_message_at"]), t["place_key"], t["channel"],
            t["opening_message_id"], t["customer_messages"], t["conversation"], orjson.dumps(t["place"]).decode(),
        )
        for t in batch.opened.values()
    ]  # fmt: skip
    await connection.execute(
        _WRITE,
        batch.at,
        TRACEPARENT,
        *columns(changed, 5),
        *columns(opened, 14),
        *columns(batch.messages, 12),
        CHANGES,
        *columns(batch.events, 3),
    )


async def relay(
    database: asyncpg.Pool[asyncpg.Record], publisher: Publisher, woken: asyncio.Event, poll: float = 0.05
) -> None:
    """Publish in the order of ids, delete what was published with the next turn."""
    done: list[int] = []
    while True:
        woken.clear()
        rows = await database.fetch(_TURN, done, BATCH)
        await publisher.publish((row["topic"], row["key"], row["payload"], unpack(row["headers"])) for row in rows)
        done = [row["id"] for row in rows]
        if not rows:
            try:
                async with asyncio.timeout(poll):
                    await woken.wait()
            except TimeoutError:
                continue


async def main() -> None:
    database = await pool("floor_ticketing")
    source = await consumer(database, COMMANDS)
    to = await producer()
    woken = asyncio.Event()
    relaying = asyncio.create_task(relay(database, Publisher(to), woken))
    ready()
    try:
        while not relaying.done():
            if polled := await source.getmany(timeout_ms=1000, max_records=BATCH):
                async with database.acquire() as connection:
                    await handle(connection, polled)
                woken.set()
        relaying.result()
    finally:
        relaying.cancel()
        await to.stop()
        await source.stop()


if __name__ == "__main__":
    run(main)
