"""Instructions go into the ledger in the transaction that moves the position; each is applied once.

An instruction about a delivery that the ledger doesn't have any more fails by itself. One about a delivery that it
never had is dead-lettered: so was its post.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.database import Connection
from chassis.records import Record
from contracts.chat_replies_v1 import PostReply, ReplyInstruction
from contracts.keys import ChannelKey
from services.notifier.ledger import aliases, forgotten, instructions, receipts, store
from services.notifier.ledger.entry import Entry, Receipt

CLAIM = """
INSERT INTO instructions (instruction_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING RETURNING instruction_id"""
NOW = "SELECT clock_timestamp()"


async def handle(records: Sequence[Record], connection: Connection) -> None:
    """Handler of `chat.replies.v1`."""
    given = [
        (record, record.envelope.data)
        for record in records
        if record.envelope is not None and isinstance(record.envelope.data, ReplyInstruction)
    ]
    claimed = await connection.fetch(CLAIM, sorted({data.instruction_id for _, data in given}))
    fresh = {row["instruction_id"] for row in claimed}
    entries = await store.lock(connection, {data.delivery_id for _, data in given if data.instruction_id in fresh})
    at: datetime = await connection.fetchval(NOW)
    moved: dict[ChannelKey, ChannelKey] = {}
    refused: list[Receipt] = []
    for number, (record, data) in enumerate(given):
        if data.instruction_id in fresh:
            if data.moved_to is not None:
                moved[data.channel_key] = data.moved_to
            fresh.discard(data.instruction_id)
            now = at + timedelta(microseconds=number)  # order survives sorting
            if not _apply(entries, record, data, now):
                refused.append(await forgotten.end(connection, data, _traceparent(record), now))
    await aliases.learn(connection, moved)
    await store.write(connection, entries.values())
    await receipts.write(connection, entries.values(), refused)


def _apply(entries: dict[str, Entry], record: Record, data: ReplyInstruction, at: datetime) -> bool:
    """False where it is about a delivery that the ledger doesn't have."""
    entry = entries.get(data.delivery_id)
    if entry is not None:
        instructions.apply(entry, data, _traceparent(record), at)
    elif isinstance(data, PostReply):
        entries[data.delivery_id] = instructions.opened(data, record.partition, _traceparent(record), at)
    else:
        return False
    return True


def _traceparent(record: Record) -> str | None:
    return None if record.envelope is None else record.envelope.traceparent
