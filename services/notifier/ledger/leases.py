"""Who may make which call until when. Every write after a lease filters on its token: a late holder changes nothing.

- An operation is leased for one call: request timeout plus settling time, by PostgreSQL's clock. Until that is over
  nobody else touches it; `due_at` of a `sending` row is the end of its lease.
- Only the first active operation of a conversation is leased, so a conversation keeps its order.
- A lease that ended without an outcome leaves `sending` with its token: the next holder knows that it is in doubt.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from chassis.database import Connection, Database
from contracts.chat import Person, Place
from contracts.chat_receipts_v1 import DeliveryError, Operation
from contracts.keys import ChannelKey, MessageKey
from services.notifier import pauses, shared_limits
from services.notifier.ledger import aliases, receipts, store
from services.notifier.ledger.entry import Entry, OperationEntry, Part
from services.notifier.ledger.instructions import PEOPLE
from services.notifier.ledger.states import Event

_HEAD = """
       o.state IN ('queued', 'sending') AND o.due_at <= clock_timestamp()
   AND NOT EXISTS (SELECT FROM operations e WHERE e.conversation_id = o.conversation_id
                      AND e.state IN ('queued', 'sending') AND e.line < o.line)"""
_CHANNEL = "coalesce(a.moved_to, o.channel_key)"
_OPERATIONS = "operations o LEFT JOIN channel_aliases a ON a.channel_key = o.channel_key"
_DOUBTFUL = "(o.state = 'sending' AND o.lease_token IS NOT NULL AND o.posting)"
_ERRAND = f"CASE WHEN {_DOUBTFUL} THEN 'read' ELSE o.kind END"

_CANDIDATES = f"""
SELECT o.instruction_id, o.delivery_id, {_CHANNEL} AS channel, o.workspace, {_ERRAND} AS errand, o.due_at, o.line
  FROM {_OPERATIONS}
 WHERE {_HEAD}
   AND o.kafka_partition = ANY($1::int[]) AND {_CHANNEL} <> ALL($2::text[])
   AND o.workspace || '/' || {_ERRAND} <> ALL($3::text[])
 ORDER BY"""  # noqa: S608 - put together from the constants above
LONGEST_DUE = f"{_CANDIDATES} o.due_at, o.line LIMIT $4"
LATEST = f"{_CANDIDATES} o.line DESC LIMIT $4"
PAUSED = f"SELECT scope FROM ({pauses.SCOPES}) AS p"  # noqa: S608
NEXT_DUE = """
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8
  FROM operations
 WHERE state IN ('queued', 'sending') AND kafka_partition = ANY($1::int[]) AND due_at > clock_timestamp()"""
DUE = f"""
SELECT o.instruction_id, o.delivery_id, o.workspace, {_ERRAND} AS errand, o.due_at,
       coalesce(o.first_sent_at, clock_timestamp()) AS first_sent_at, o.sending_revision, o.failures,
       {_CHANNEL} AS channel, {_DOUBTFUL} AS doubtful
  FROM {_OPERATIONS}
 WHERE {_HEAD} AND NOT EXISTS (SELECT FROM ({pauses.SCOPES}) AS p WHERE p.scope IN ('*', {_CHANNEL}))
   AND o.instruction_id = ANY($1::text[]) AND o.delivery_id = ANY($2::text[])"""  # noqa: S608
LEASE = """
UPDATE operations o
   SET state = 'sending', lease_token = n.token, due_at = clock_timestamp() + n.seconds * interval '1 second',
       attempts = n.attempts, first_sent_at = n.first_sent_at, sending_revision = n.revision, posting = n.posting
  FROM unnest($1::text[], $2::uuid[], $3::float8[], $4::int[], $5::timestamptz[], $6::int[], $7::bool[])
       AS n (instruction_id, token, seconds, attempts, first_sent_at, revision, posting)
 WHERE o.instruction_id = n.instruction_id"""
SETTLE = """
UPDATE operations
   SET state = $3, lease_token = CASE WHEN $4 THEN lease_token END,
       due_at = CASE WHEN $5::float8 IS NULL THEN due_at ELSE clock_timestamp() + $5 * interval '1 second' END,
       failures = $6, parts_left = $7, error_code = $8, error_text = $9, recheck = recheck AND NOT $10,
       ended_at = CASE WHEN $3 IN ('queued', 'sending') THEN NULL ELSE clock_timestamp() END
 WHERE instruction_id = $1 AND lease_token = $2 AND state = 'sending' RETURNING true"""
HELD = """
SELECT clock_timestamp() AS at, recheck AND posting AS recheck FROM operations
 WHERE instruction_id = $1 AND lease_token = $2 AND state = 'sending'"""
SET_PART = """
INSERT INTO parts (delivery_id, part, message_key, revision) VALUES ($1, $2, $3, $4)
ON CONFLICT (delivery_id, part) DO UPDATE SET message_key = excluded.message_key, revision = excluded.revision"""
REMOVE_PART = "DELETE FROM parts WHERE delivery_id = $1 AND part = $2"
SET_VERSION = """
UPDATE deliveries d SET version = n.version FROM unnest($1::text[], $2::int[]) AS n (delivery_id, version)
 WHERE d.delivery_id = n.delivery_id"""
# Only a mark: the state stays its holder's.
RECHECK = """
UPDATE operations SET recheck = true
 WHERE instruction_id = $1 AND state IN ('queued', 'sending')"""
POSTING = "UPDATE operations SET posting = $3 WHERE instruction_id = $1 AND lease_token = $2 RETURNING true"
PART_KEY = "SELECT message_key FROM parts WHERE delivery_id = $1 AND part = $2"
WAITING = f"""
SELECT split_part(o.workspace, ':', 1) AS platform,
       CASE WHEN (o.state = 'queued' OR o.due_at <= clock_timestamp())
             AND EXISTS (SELECT FROM ({pauses.SCOPES}) AS p WHERE p.scope IN ('*', {_CHANNEL}))
            THEN 'paused' ELSE o.state END AS state,
       count(*) AS number, extract(epoch FROM clock_timestamp() - min(o.queued_at))::float8 AS age
  FROM {_OPERATIONS}
 WHERE o.state IN ('queued', 'sending') AND o.kafka_partition = ANY($1::int[]) GROUP BY 1, 2"""  # noqa: S608


class LeaseLost(Exception):
    """The lease ended before its holder wrote: somebody else decides now."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An operation that is due, in which channel. `errand` is post, edit, delete, or read for a post in doubt. The
    later it was written, the higher its `line`.
    """

    instruction_id: str
    delivery_id: str
    channel: ChannelKey
    workspace: str
    errand: str
    due_at: datetime
    line: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to make one call for an operation, and all that is needed for it. `channel` is where calls go: what the
    entry's channel key stands for now.
    """

    token: UUID
    entry: Entry
    operation: OperationEntry
    errand: str
    place: Place
    mentions: tuple[Person, ...]
    channel: ChannelKey
    sending_revision: int
    failures: int
    since: datetime
    due_at: datetime
    leased_at: datetime

    @property
    def posting(self) -> bool:
        """What the ledger takes the call for until it is told otherwise."""
        return self.doubtful or self.operation.kind is Operation.POST

    @property
    def doubtful(self) -> bool:
        """A post that may have happened already."""
        return self.errand == "read"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a holder writes. `due_in` None keeps the end of the lease (for a doubt that must settle)."""

    event: Event
    error: DeliveryError | None = None
    due_in: float | None = 0.0
    keep_token: bool = False
    failures: int = 0
    parts_left: int = 0
    set_part: tuple[int, MessageKey | None, int] | None = None
    remove_part: int | None = None
    moved_to: ChannelKey | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """`closed` names the buckets that had no room, with the seconds until they have."""

    leases: Sequence[Lease]
    closed: dict[str, float]


async def candidates(
    database: Database, partitions: Collection[int], *, channels: Collection[str], errands: Collection[str], limit: int
) -> list[Candidate]:
    """Due heads of conversations, leaving out what is paused, closed channels and errands: all, or where there are more
    than `limit` those longest due and those written last, so many of each.
    """
    paused = {row["scope"] for row in await database.pool.fetch(PAUSED)}
    if pauses.EVERYTHING in paused:
        return []
    wanted = (list(partitions), [*channels, *paused], list(errands), limit)
    rows = await database.pool.fetch(LONGEST_DUE, *wanted)
    if len(rows) == limit:
        rows += await database.pool.fetch(LATEST, *wanted)
    return list({row["instruction_id"]: Candidate(*row) for row in rows}.values())


async def next_due(database: Database, partitions: Collection[int]) -> float | None:
    """Seconds until something that isn't due becomes due."""
    seconds: float | None = await database.pool.fetchval(NEXT_DUE, list(partitions))
    return seconds


async def take(database: Database, chosen: Sequence[Candidate], lease_seconds: dict[str, float]) -> Granted:
    """Lease what of the chosen is still due and has room in its shared bucket, the first of the chosen first.
    `lease_seconds` is by platform.
    """
    turn = {one.instruction_id: number for number, one in enumerate(chosen)}
    async with database.transaction() as connection:
        entries = await store.lock(connection, {one.delivery_id for one in chosen}, wait=False)
        rows = await connection.fetch(DUE, [one.instruction_id for one in chosen], list(entries))
        wanted: dict[str, list[Any]] = {}
        for row in sorted(rows, key=lambda row: turn[row["instruction_id"]]):
            wanted.setdefault(shared_limits.bucket_of(row["workspace"], row["errand"]), []).append(row)
        granted, closed = await shared_limits.take(connection, {name: len(rows) for name, rows in wanted.items()})
        at: datetime = await connection.fetchval("SELECT clock_timestamp()")
        leases = [
            _lease(entries[row["delivery_id"]], row, at)
            for name, rows in wanted.items()
            for row in rows[: granted[name]]
        ]
        if leases:
            await connection.execute(LEASE, *_lease_columns(leases, lease_seconds))
            await _write_versions(connection, [lease.entry for lease in leases])
    return Granted(leases, closed)


def _lease(entry: Entry, row: Any, at: datetime) -> Lease:
    operation = next(one for one in entry.operations if one.instruction_id == row["instruction_id"])
    if not row["doubtful"]:
        operation.attempts += 1
    entry.move(operation, Event.LEASED, at, operation.error)
    return Lease(
        token=uuid4(),
        entry=entry,
        operation=operation,
        errand=row["errand"],
        place=Place.model_validate_json(entry.place),
        mentions=PEOPLE.validate_json(entry.mentions),
        channel=row["channel"],
        sending_revision=row["sending_revision"] if row["doubtful"] else entry.revision,
        failures=row["failures"],
        since=row["first_sent_at"],
        due_at=row["due_at"],
        leased_at=at,
    )


def _lease_columns(leases: Sequence[Lease], seconds: dict[str, float]) -> tuple[list[object], ...]:
    return (
        [lease.operation.instruction_id for lease in leases],
        [lease.token for lease in leases],
        [seconds[lease.place.channel.platform] for lease in leases],
        [lease.operation.attempts for lease in leases],
        [lease.since for lease in leases],
        [lease.sending_revision for lease in leases],
        [lease.posting for lease in leases],
    )


async def settle(database: Database, lease: Lease, settlement: Settlement) -> bool:
    """Write an outcome. Raises LeaseLost, having changed nothing.

    False: a copy was posted under a lost lease, so a post stays in doubt, and what is in the chat is read back.
    """
    async with database.transaction() as connection:
        entries = await store.lock(connection, {lease.entry.delivery_id})
        entry = entries.get(lease.entry.delivery_id)
        if entry is None:  # erased meanwhile
            raise LeaseLost
        operation = next(
            (one for one in entry.operations if one.instruction_id == lease.operation.instruction_id), None
        )
        held = await connection.fetchrow(HELD, lease.operation.instruction_id, lease.token)
        if operation is None or held is None:
            raise LeaseLost
        at, recheck = held["at"], held["recheck"] and settlement.set_part is not None
        if recheck:
            settlement = Settlement(
                Event.DOUBTED,
                due_in=None,  # as after any doubt, what was posted has until the lease's end to be seen
                keep_token=True,
                failures=settlement.failures,
                parts_left=settlement.parts_left,
            )
        if settlement.set_part is not None:
            number, key, revision = settlement.set_part
            entry.parts[number] = Part(key, revision)
            await connection.execute(SET_PART, entry.delivery_id, number, key, revision)
        if settlement.remove_part is not None:
            entry.parts.pop(settlement.remove_part, None)
            await connection.execute(REMOVE_PART, entry.delivery_id, settlement.remove_part)
        if settlement.moved_to is not None:
            await aliases.learn(connection, {entry.channel_key: settlement.moved_to})
        operation.parts_left = settlement.parts_left
        state = entry.move(operation, settlement.event, at, settlement.error)
        unsent = settlement.event in {Event.POSTPONED, Event.ABSENT}
        due_in = 0.0 if entry.withdrawn and unsent else settlement.due_in
        error = settlement.error
        written = await connection.fetchval(
            SETTLE,
            operation.instruction_id,
            lease.token,
            state,
            settlement.keep_token,
            due_in,
            settlement.failures,
            settlement.parts_left,
            None if error is None else error.code,
            None if error is None else error.text,
            recheck,
        )
        if not written:  # held a moment ago, under the same lock
            raise LeaseLost
        await _write_versions(connection, [entry])
        return not recheck


async def _write_versions(connection: Connection, entries: Sequence[Entry]) -> None:
    await connection.execute(
        SET_VERSION, [entry.delivery_id for entry in entries], [entry.version for entry in entries]
    )
    await receipts.write(connection, entries)


async def mark_posting(database: Database, lease: Lease, *, posting: bool) -> None:
    """Whether the coming call posts, where that isn't plain from the operation: an edit that needs one more message."""
    if not await database.pool.fetchval(POSTING, lease.operation.instruction_id, lease.token, posting):
        raise LeaseLost


async def ask_for_recheck(database: Database, lease: Lease) -> None:
    """A copy was posted under a lost lease: its present holder, if there is one, is to look for copies."""
    await database.pool.execute(RECHECK, lease.operation.instruction_id)


async def part_key(database: Database, delivery_id: str, part: int) -> MessageKey | None:
    """The key that the ledger has for a part."""
    key: MessageKey | None = await database.pool.fetchval(PART_KEY, delivery_id, part)
    return key


async def waiting(database: Database, partitions: Collection[int]) -> list[tuple[str, str, int, float]]:
    """Platform, state, number and age in seconds of the oldest of what isn't finished; `paused` is what would go on but
    for a pause.
    """
    return [tuple(row) for row in await database.pool.fetch(WAITING, list(partitions))]
