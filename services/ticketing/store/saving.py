"""What a transaction did, written in few statements: each row once, with its ledger, history and events.

A row that another transaction wrote first shows as a missing count or a unique violation: everything is rolled back and
tried again, and then sees that row. Nothing is overwritten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from chassis import outbox
from chassis.database import Connection
from chassis.errors import Poison
from contracts.keys import PersonKey
from services.ticketing.domain.book import Book, Done
from services.ticketing.domain.change import TicketChange
from services.ticketing.domain.ticket import Message, Ticket
from services.ticketing.store import messages, tickets
from services.ticketing.store.rows import Column, arrays, insert, model_json, to_json

SOURCE = "okno/ticketing"


def _changes_json(change: TicketChange) -> str:
    changes = change.event.changes
    return to_json({name: {"old": one.old, "new": one.new} for name, one in changes.items()}) if changes else "{}"


HISTORY: tuple[Column[TicketChange], ...] = (
    Column("ticket_id", "text", lambda c: c.event.ticket_id),
    Column("version", "bigint", lambda c: c.event.version),
    Column("at", "timestamptz", lambda c: c.event.at),
    Column("kind", "text", lambda c: c.event.kind),
    Column("cause_kind", "text", lambda c: c.event.cause.kind),
    Column("cause_id", "text", lambda c: c.event.cause.id),
    Column("actor_kind", "text", lambda c: c.event.cause.actor.kind),
    Column("actor_id", "text", lambda c: c.event.cause.actor.id),
    Column("actor_name", "text", lambda c: c.event.cause.actor.name),
    Column("changes", "jsonb", _changes_json),
    Column("message_id", "text", lambda c: None if c.message is None else c.message.id),
    Column("traceparent", "text", lambda c: c.traceparent),
)
_COMMANDS: tuple[Column[Done], ...] = (
    Column("command_id", "text", lambda d: d.command_id),
    Column("outcome", "text", lambda d: d.outcome),
    Column("ticket_id", "text", lambda d: d.ticket_id),
)


@dataclass(frozen=True, slots=True)
class _Save:
    """One statement for all new rows: a round trip a batch. Its variants leave out columns without any value."""

    tickets: Sequence[Column[Ticket]]
    messages: Sequence[Column[Message]]

    def sql(self) -> str:
        conversations = 1 + len(self.tickets)
        messages_at = conversations + len(tickets.CONVERSATION_COLUMNS)
        history = messages_at + len(self.messages)
        done = history + len(HISTORY)
        at = done + len(_COMMANDS)
        return f"""
WITH t AS ({tickets.insert_tickets(self.tickets, 1)}),
c AS ({tickets.insert_conversations(conversations)}),
m AS ({messages.insert_messages(self.messages, messages_at)}),
h AS ({insert("history", HISTORY, first=history)}),
d AS (
    INSERT INTO commands (command_id, outcome, ticket_id, applied_at)
    SELECT r.*, ${at}::timestamptz
    FROM unnest(${done}::text[], ${done + 1}::text[], ${done + 2}::text[]) AS r
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT (SELECT count(*) FROM t) AS tickets, (SELECT count(*) FROM m) AS messages, (SELECT count(*) FROM d) AS commands
"""  # noqa: S608


_SAVES = {
    (fresh, plain): (save, save.sql())
    for fresh, ticket_columns in ((True, tickets.FRESH_COLUMNS), (False, tickets.COLUMNS))
    for plain, message_columns in ((True, messages.PLAIN_COLUMNS), (False, messages.COLUMNS))
    for save in (_Save(ticket_columns, message_columns),)
}

_NEW_PEOPLE = """
WITH people AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS p(person_key, contact_id, name)
), c AS (
    INSERT INTO contacts (id, created_at) SELECT contact_id, $4 FROM people ORDER BY 1 ON CONFLICT DO NOTHING
)
INSERT INTO identities (person_key, contact_id, name) SELECT * FROM people ORDER BY 1 ON CONFLICT DO NOTHING"""
# A name that came with a message; a profile, where there is one, knows better.
_RENAME = """
UPDATE identities i SET name = p.name FROM unnest($1::text[], $2::text[]) AS p(person_key, name)
WHERE i.person_key = p.person_key AND i.profile_at IS NULL"""

_KEEP_RECEIPTS = """
INSERT INTO early_receipts (delivery_id, version, receipt, arrived_at)
SELECT r.id, r.version, r.receipt::jsonb, now()
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS r(id, version, receipt)
ON CONFLICT (delivery_id) DO UPDATE SET version = excluded.version, receipt = excluded.receipt
WHERE early_receipts.version < excluded.version"""
_USE_RECEIPTS = "DELETE FROM early_receipts WHERE delivery_id = ANY($1::text[])"
KEEP_CHANGES = """
INSERT INTO early_changes (command_id, message_key, type, command, traceparent, arrived_at)
SELECT r.id, r.message_key, r.type, r.command::jsonb, r.traceparent, now()
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS r(id, message_key, type, command, traceparent)"""
_USE_CHANGES = "DELETE FROM early_changes WHERE command_id = ANY($1::text[])"
MOVED = "UPDATE channel_aliases SET channel_key = $2 WHERE channel_key = $1"
ALIAS = """
INSERT INTO channel_aliases (old_channel_key, channel_key, moved_at) VALUES ($1, $2, $3)
ON CONFLICT (old_channel_key) DO UPDATE SET channel_key = excluded.channel_key"""


class Conflict(Poison):
    """What is to be written stands in the way of something stored.

    A race, as a rule: the next try sees what was written meanwhile. But a record that conflicts for good must not hold
    up those behind it, so it isn't transient.
    """

    def __init__(self, what: str) -> None:
        super().__init__("conflict", what)


async def save_book(connection: Connection, book: Book, at: datetime, rows: Sequence[outbox.OutboxRow] = ()) -> None:
    """Write what changed, and the outbox: its events and `rows`, in this order. Raises Conflict."""
    try:
        await _save(connection, book, at)
    except asyncpg.UniqueViolationError as error:
        raise Conflict(f"{error.table_name} has such a row ({error.constraint_name})") from error
    events = [
        outbox.row(change.event, source=SOURCE, time=change.event.at, traceparent=change.traceparent)
        for change in book.changes
    ]
    await outbox.add(connection, [*events, *rows])


async def _save(connection: Connection, book: Book, at: datetime) -> None:
    if book.changed:
        await _update_tickets(connection, book)
    await _save_moves(connection, book)
    if book.requesters:
        await _save_requesters(connection, book, at)
    if book.changes or book.done:
        await _insert(connection, book, at)
    if book.changed_messages:
        changed = [book.messages[one] for one in sorted(book.changed_messages)]
        await connection.execute(messages.UPDATE, *arrays(messages.UPDATE_COLUMNS, changed))
    await _save_details(connection, book)


async def _update_tickets(connection: Connection, book: Book) -> None:
    changed = [book.tickets[one] for one in sorted(book.changed)]
    await connection.execute(tickets.UPDATE, *arrays(tickets.UPDATE_COLUMNS, changed))


async def _save_moves(connection: Connection, book: Book) -> None:
    for old, channel, at in book.moved:
        await connection.execute(MOVED, old, channel.key)
        await connection.execute(ALIAS, old, channel.key, at)


async def _save_requesters(connection: Connection, book: Book, at: datetime) -> None:
    """Writes only what differs: one person may write in many channels, and workers must not wait for each other."""
    people: list[PersonKey] = sorted(book.requesters)
    contacts = {t.state.requester.key: t.state.requester.id for t in map(book.tickets.__getitem__, book.opened)}
    new = [key for key in people if key not in book.contacts]
    if new:
        names = [book.requesters[key] for key in new]
        await connection.execute(_NEW_PEOPLE, new, [contacts[key] for key in new], names, at)
    renamed = [key for key in people if key not in new and book.requesters[key] not in {None, book.names.get(key)}]
    if renamed:
        await connection.execute(_RENAME, renamed, [book.requesters[key] for key in renamed])


async def _insert(connection: Connection, book: Book, at: datetime) -> None:
    # By place: where two workers open tickets in the same places, they wait for each other in the same order.
    opened = sorted((book.tickets[one] for one in book.opened), key=lambda ticket: ticket.state.place_key or "")
    conversations = [row for ticket in opened for row in tickets.conversation_rows(ticket)]
    if book.moved:
        conversations += [row for one in sorted(book.changed) for row in tickets.conversation_rows(book.tickets[one])]
    added = [book.messages[one] for one in sorted(book.added_messages)]
    save, sql = _SAVES[tickets.are_fresh(opened), messages.are_plain(added)]
    counts = await connection.fetchrow(
        sql,
        *arrays(save.tickets, opened),
        *arrays(tickets.CONVERSATION_COLUMNS, conversations),
        *arrays(save.messages, added),
        *arrays(HISTORY, book.changes),
        *arrays(_COMMANDS, sorted(book.done, key=lambda done: done.command_id)),
        at,
    )
    wanted = {"tickets": len(opened), "messages": len(added), "commands": len(book.done)}
    if counts is None or dict(counts) != wanted:
        raise Conflict(f"of {wanted} only {dict(counts or {})} could be added")


async def _save_details(connection: Connection, book: Book) -> None:
    touched = [book.messages[one] for one in sorted(book.added_messages | book.changed_messages)]
    if book.former:
        await connection.execute(messages.INSERT_REVISIONS, *arrays(messages.REVISION_COLUMNS, book.former))
    reactions = [(m.id, one) for m in touched for one in m.reactions]
    if reactions:
        await connection.execute(messages.UPSERT_REACTIONS, *arrays(messages.REACTION_COLUMNS, reactions))
    if book.new_posted:
        await connection.execute(messages.INSERT_POSTED, list(book.new_posted), list(book.new_posted.values()))
    if book.kept_receipts:
        kept = sorted(book.kept_receipts.items())
        await connection.execute(
            _KEEP_RECEIPTS,
            [key for key, _ in kept],
            [receipt.version for _, receipt in kept],
            [model_json(receipt) for _, receipt in kept],
        )
    if book.used_receipts:
        await connection.execute(_USE_RECEIPTS, list(book.used_receipts))
    if book.kept_changes:
        changes = [book.kept_changes[one] for one in sorted(book.kept_changes)]
        await connection.execute(
            KEEP_CHANGES,
            sorted(book.kept_changes),
            [one.command.message_key for one in changes],
            [one.command.TYPE for one in changes],
            [model_json(one.command) for one in changes],
            [one.traceparent for one in changes],
        )
    if book.used_changes:
        done = await connection.execute(_USE_CHANGES, list(book.used_changes))
        if done != f"DELETE {len(book.used_changes)}":
            raise Conflict("an early change was made already")
