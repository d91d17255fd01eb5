"""Writes what events tell over what is stored: each row as the latest version of its ticket had it.

Places are free while this goes on: tickets of one place come from several partitions, and the one that ended may be
read after the one that followed it. The index that keeps a place to one active ticket is made again at the end, in the
same transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chassis.database import Connection
from contracts.ticket_events_v1 import ChangeKind, TicketChanged
from services.ticketing.domain.change import TicketChange
from services.ticketing.domain.ticket import Message, Ticket
from services.ticketing.store import messages, tickets
from services.ticketing.store.rows import Column, arrays, insert
from services.ticketing.store.saving import HISTORY

_ONE_ACTIVE = "tickets_one_active_per_place"

_VERSIONS = "SELECT id, version FROM tickets WHERE id = ANY($1::text[])"


def _written_over(columns: Iterable[Column[Ticket]] | Iterable[Column[Message]], kept: Iterable[str]) -> str:
    """`kept` stay where the event says nothing."""
    keeping = set(kept)
    sets = []
    for column in columns:
        name = column.name
        if name in keeping:
            sets.append(f"{name} = coalesce(excluded.{name}, t.{name})")
        elif name != "id":
            sets.append(f"{name} = excluded.{name}")
    return f"ON CONFLICT (id) DO UPDATE SET {', '.join(sets)}"


_TICKETS = insert(
    "tickets AS t",
    tickets.COLUMNS,
    after=_written_over(tickets.COLUMNS, ("traceparent", "opening_message_id")),
)
_CONVERSATIONS = tickets.insert_conversations(1)
# A message keeps the trace that it came with.
_MESSAGES = insert(
    "messages AS t",
    messages.COLUMNS,
    after=_written_over([one for one in messages.COLUMNS if one.name != "traceparent"], ("agent_id", "thread")),
)
_HISTORY = insert("history", HISTORY, after="ON CONFLICT DO NOTHING")
_COMMANDS = """
INSERT INTO commands (command_id, outcome, ticket_id, applied_at)
SELECT r.id, 'restored', r.ticket_id, r.at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS r(id, ticket_id, at) ON CONFLICT DO NOTHING"""
_MADE = "DELETE FROM early_changes WHERE command_id = ANY($1::text[])"
_PEOPLE = """
WITH people AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS p(person_key, contact_id, name, at)
), c AS (
    INSERT INTO contacts (id, created_at) SELECT contact_id, min(at) FROM people GROUP BY 1 ON CONFLICT DO NOTHING
)
INSERT INTO identities AS i (person_key, contact_id, name) SELECT person_key, contact_id, name FROM people
ON CONFLICT (person_key) DO UPDATE SET name = coalesce(excluded.name, i.name) WHERE i.profile_at IS NULL"""

_CROWDED = f"""
WITH ranked AS (
    SELECT id, number, row_number() OVER (PARTITION BY place_key ORDER BY number DESC) AS rank
    FROM tickets WHERE place_key IS NOT NULL AND status IN {tickets.ACTIVE}
)
UPDATE tickets t SET place_key = NULL FROM ranked r WHERE r.id = t.id AND r.rank > 1 RETURNING t.number"""  # noqa: S608
_ANSWERED_EARLY = (
    "DELETE FROM early_receipts WHERE delivery_id IN (SELECT id FROM messages WHERE delivery_state IS NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class Folded:
    """An event as it is to be written."""

    ticket: Ticket
    change: TicketChange


async def versions_of(connection: Connection, ticket_ids: Iterable[str]) -> dict[str, int]:
    """The stored versions of those tickets that are there."""
    return {row["id"]: row["version"] for row in await connection.fetch(_VERSIONS, list(set(ticket_ids)))}


async def free_places(connection: Connection) -> str:
    """Nobody else reads or writes tickets until the transaction ends. Returns what makes the index again."""
    definition: str = await connection.fetchval(f"SELECT pg_get_indexdef('{_ONE_ACTIVE}'::regclass)")
    await connection.execute(f"DROP INDEX {_ONE_ACTIVE}")
    return definition


async def keep_places(connection: Connection, definition: str) -> list[int]:
    """One active ticket a place again. Returns the numbers of tickets that go on without a place of their own.

    Several are active in one place where the event that ended the earlier one was never published: the latest keeps it.
    """
    crowded = [row["number"] for row in await connection.fetch(_CROWDED)]
    await connection.execute(definition)
    return sorted(crowded)


async def fold(connection: Connection, folded: Sequence[Folded]) -> None:
    """Write events that are newer than what is stored; those of one ticket in the order of their versions."""
    latest = {one.ticket.id: one.ticket for one in folded}
    traced = {one.ticket.id: one.ticket.traceparent for one in folded if one.ticket.traceparent}
    rows = [_traced(latest[key], traced.get(key)) for key in sorted(latest)]
    await connection.execute(_TICKETS, *arrays(tickets.COLUMNS, rows))
    conversations = [row for ticket in rows for row in tickets.conversation_rows(ticket)]
    await connection.execute(_CONVERSATIONS, *arrays(tickets.CONVERSATION_COLUMNS, conversations))
    changes = [one.change for one in folded]
    await connection.execute(_HISTORY, *arrays(HISTORY, changes))
    await _fold_messages(connection, changes)
    await _fold_people(connection, [one.event for one in changes])
    caused = {one.event.cause.id: one.event for one in changes if one.event.cause.kind == "command"}
    if caused:
        await connection.execute(
            _COMMANDS, list(caused), [one.ticket_id for one in caused.values()], [one.at for one in caused.values()]
        )
        await connection.execute(_MADE, list(caused))


async def tidy(connection: Connection) -> None:
    """What depends on all that was folded: receipts that waited for their message."""
    await connection.execute(_ANSWERED_EARLY)


def _traced(ticket: Ticket, traceparent: str | None) -> Ticket:
    return (
        ticket
        if ticket.traceparent == traceparent
        else Ticket(ticket.state, ticket.opening_message_id, ticket.customer_messages, traceparent)
    )


async def _fold_messages(connection: Connection, changes: Sequence[TicketChange]) -> None:
    """The latest state of each message; the trace of its first one; the former texts of all, as each has the newest."""
    first: dict[str, str | None] = {}
    latest: dict[str, Message] = {}
    former: dict[tuple[str, int], messages.RevisionRow] = {}
    for change in changes:
        if change.message is not None:
            first.setdefault(change.message.id, change.traceparent)
            latest[change.message.id] = change.message
            former |= {row[:2]: row for row in messages.revision_rows(change.message)}
    if not latest:
        return
    found = [latest[key] for key in sorted(latest)]
    columns = arrays(messages.COLUMNS, found)
    traces = next(number for number, one in enumerate(messages.COLUMNS) if one.name == "traceparent")
    columns[traces] = [first[one.id] for one in found]
    await connection.execute(_MESSAGES, *columns)
    if former:
        await connection.execute(messages.INSERT_REVISIONS, *arrays(messages.REVISION_COLUMNS, former.values()))
    reactions = [(one.id, reaction) for one in found for reaction in one.reactions]
    if reactions:
        await connection.execute(messages.UPSERT_REACTIONS, *arrays(messages.REACTION_COLUMNS, reactions))
    posted = {key: one.id for one in found if one.delivery for key in one.delivery.message_keys}
    if posted:
        await connection.execute(messages.INSERT_POSTED, list(posted), list(posted.values()))


async def _fold_people(connection: Connection, events: Sequence[TicketChanged]) -> None:
    """Who opened tickets, by the names that came with their messages; a profile, where there is one, knows better."""
    opened = {
        one.ticket.requester.key: one for one in events if one.kind is ChangeKind.OPENED and one.message is not None
    }
    if opened:
        keys = sorted(opened)
        await connection.execute(
            _PEOPLE,
            keys,
            [opened[key].ticket.requester.id for key in keys],
            [getattr(opened[key].message, "author_name", None) for key in keys],
            [opened[key].at for key in keys],
        )
