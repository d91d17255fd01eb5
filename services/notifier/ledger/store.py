"""Entries in PostgreSQL: locked, read, and written back whole. Whoever changes an entry holds its row's lock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson

from chassis.database import Connection
from contracts.chat_receipts_v1 import DeliveryError, DeliveryState, Operation
from services.notifier.ledger.entry import Entry, OperationEntry, Part

LOCK = """
SELECT delivery_id, channel_key, conversation_id, ticket_id, source, place, text, mentions, revision, requested_at,
       version, withdrawn, deleted
  FROM deliveries WHERE delivery_id = ANY($1::text[]) ORDER BY delivery_id FOR UPDATE"""
LOCK_FREE = LOCK + " SKIP LOCKED"

# Posts always, since everything asks for their state; of the others those that aren't finished.
OPERATIONS = """
SELECT instruction_id, delivery_id, kind, state, kafka_partition, workspace, lease_token IS NOT NULL AS leased,
       attempts, parts_left, error_code, error_text, traceparent, queued_at
  FROM operations
 WHERE delivery_id = ANY($1::text[]) AND (kind = 'post' OR state IN ('queued', 'sending')) ORDER BY line"""
PARTS = "SELECT delivery_id, part, message_key, revision FROM parts WHERE delivery_id = ANY($1::text[])"

ADD_DELIVERIES = """
INSERT INTO deliveries (delivery_id, channel_key, conversation_id, ticket_id, source, place, text, mentions, revision,
                        requested_at, version, withdrawn, deleted)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::int[], $10::timestamptz[], $11::int[], $12::bool[], $13::bool[])"""
CHANGE_DELIVERIES = """
UPDATE deliveries d
   SET text = n.text, mentions = n.mentions, revision = n.revision, version = n.version, withdrawn = n.withdrawn,
       deleted = n.deleted
  FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::int[], $6::bool[], $7::bool[])
       AS n (delivery_id, text, mentions, revision, version, withdrawn, deleted)
 WHERE d.delivery_id = n.delivery_id"""
# Rows of one statement take their place in line in the order of the arrays.
ADD_OPERATIONS = """
INSERT INTO operations (instruction_id, delivery_id, kind, state, kafka_partition, conversation_id, channel_key,
                        workspace, due_at, error_code, error_text, traceparent, queued_at, notice_at, ended_at)
SELECT n.instruction_id, n.delivery_id, n.kind, n.state, n.kafka_partition, n.conversation_id, n.channel_key,
       n.workspace, clock_timestamp(), n.error_code, n.error_text, n.traceparent, n.queued_at,
       n.notice_at, CASE WHEN n.state = 'queued' THEN NULL ELSE clock_timestamp() END
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[],
              $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[]) WITH ORDINALITY
       AS n (instruction_id, delivery_id, kind, state, kafka_partition, conversation_id, channel_key, workspace,
             error_code, error_text, traceparent, queued_at, notice_at, place)
 ORDER BY n.place"""
CHANGE_OPERATION = """
UPDATE operations
   SET state = $2, error_code = $3, error_text = $4, traceparent = $5, queued_at = $6,
       line = CASE WHEN $7 THEN nextval('lines') ELSE line END,
       notice_at = CASE WHEN $7 THEN NULL ELSE notice_at END,
       lease_token = NULL, failures = 0,
       due_at = CASE WHEN $2 = 'queued' THEN clock_timestamp() ELSE due_at END,
       ended_at = CASE WHEN $2 IN ('queued', 'sending') THEN NULL ELSE clock_timestamp() END
 WHERE instruction_id = $1"""
ADD_PARTS = """
INSERT INTO parts (delivery_id, part, message_key, revision)
SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::int[]) ON CONFLICT (delivery_id, part) DO NOTHING"""


async def lock(connection: Connection, delivery_ids: Collection[str], *, wait: bool = True) -> dict[str, Entry]:
    """The entries by delivery id, their rows locked in id order; without `wait`, only those that nobody else has."""
    if not delivery_ids:
        return {}
    rows = await connection.fetch(LOCK if wait else LOCK_FREE, list(delivery_ids))
    found = [row["delivery_id"] for row in rows]
    operations = await connection.fetch(OPERATIONS, found) if found else []
    parts = await connection.fetch(PARTS, found) if found else []
    entries = {row["delivery_id"]: _entry(row) for row in rows}
    for row in operations:
        entry = entries[row["delivery_id"]]
        entry.partition, entry.workspace = row["kafka_partition"], row["workspace"]
        entry.operations.append(_operation(row))
    for row in parts:
        entries[row["delivery_id"]].parts[row["part"]] = Part(row["message_key"], row["revision"])
    return entries


def _entry(row: Any) -> Entry:
    return Entry(
        delivery_id=row["delivery_id"],
        channel_key=row["channel_key"],
        partition=-1,
        conversation_id=row["conversation_id"],
        ticket_id=row["ticket_id"],
        source=row["source"],
        workspace="",
        place=row["place"],
        thread=orjson.loads(row["place"]).get("thread"),
        text=row["text"],
        mentions=row["mentions"],
        requested_at=row["requested_at"],
        revision=row["revision"],
        version=row["version"],
        withdrawn=row["withdrawn"],
        deleted=row["deleted"],
    )


def _operation(row: Any) -> OperationEntry:
    error = row["error_code"]
    return OperationEntry(
        instruction_id=row["instruction_id"],
        kind=Operation(row["kind"]),
        state=DeliveryState(row["state"]),
        traceparent=row["traceparent"],
        queued_at=row["queued_at"],
        leased=row["leased"],
        attempts=row["attempts"],
        parts_left=row["parts_left"],
        error=None if error is None else DeliveryError(code=error, text=row["error_text"] or ""),
    )


async def write(connection: Connection, entries: Iterable[Entry]) -> None:
    """Write back what instructions changed. Operations that a worker holds are changed by `leases` alone."""
    entries = list(entries)
    await _write_deliveries(connection, entries)
    new = [(entry, operation) for entry in entries for operation in entry.operations if operation.is_new]
    new.sort(key=lambda pair: pair[1].queued_at)
    if new:
        await connection.execute(ADD_OPERATIONS, *_columns([_new_operation(*pair) for pair in new]))
    changed = [
        operation for entry in entries for operation in entry.operations if operation.changed and not operation.is_new
    ]
    if changed:
        await connection.executemany(CHANGE_OPERATION, [_changed_operation(operation) for operation in changed])
    confirmed = [
        (entry.delivery_id, number, part.key, part.revision)
        for entry in entries
        for number, part in entry.parts.items()
        if part.key is None
    ]
    if confirmed:
        await connection.execute(ADD_PARTS, *_columns(confirmed))


async def _write_deliveries(connection: Connection, entries: Sequence[Entry]) -> None:
    new = [entry for entry in entries if entry.is_new]
    if new:
        await connection.execute(ADD_DELIVERIES, *_columns([_delivery(entry) for entry in new]))
    changed = [entry for entry in entries if entry.changed and not entry.is_new]
    if changed:
        await connection.execute(
            CHANGE_DELIVERIES,
            *_columns(
                [(e.delivery_id, e.text, e.mentions, e.revision, e.version, e.withdrawn, e.deleted) for e in changed]
            ),
        )


def _delivery(entry: Entry) -> tuple[object, ...]:
    return (
        entry.delivery_id,
        entry.channel_key,
        entry.conversation_id,
        entry.ticket_id,
        entry.source,
        entry.place,
        entry.text,
        entry.mentions,
        entry.revision,
        entry.requested_at,
        entry.version,
        entry.withdrawn,
        entry.deleted,
    )


def _new_operation(entry: Entry, operation: OperationEntry) -> tuple[object, ...]:
    error = operation.error
    return (
        operation.instruction_id,
        entry.delivery_id,
        operation.kind,
        operation.state,
        entry.partition,
        entry.conversation_id,
        entry.channel_key,
        entry.workspace,
        None if error is None else error.code,
        None if error is None else error.text,
        operation.traceparent,
        operation.queued_at,
        entry.requested_at if entry.is_notice and operation.kind is Operation.POST else None,
    )


def _changed_operation(operation: OperationEntry) -> tuple[object, ...]:
    error = operation.error
    return (
        operation.instruction_id,
        operation.state,
        None if error is None else error.code,
        None if error is None else error.text,
        operation.traceparent,
        operation.queued_at,
        operation.requeued,
    )


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
