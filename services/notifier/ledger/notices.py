"""Notices ("we received your request") are of use for a time only: one that waited longer is cancelled, not posted.

An agent's answer never is, nor what a person asked to send again, nor a text of which the chat shows a part already.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from chassis.database import Database
from contracts.chat_receipts_v1 import DeliveryError, DeliveryState
from services.notifier.ledger import receipts, store
from services.notifier.ledger.states import Event

STALE = DeliveryError(code="stale", text="This automatic answer had to wait too long to be of use. It was not sent.")
BATCH = 200

FIND = """
SELECT o.delivery_id FROM operations o
 WHERE o.state = 'queued' AND o.notice_at < $2 AND o.kafka_partition = ANY($1::int[])
   AND NOT EXISTS (SELECT FROM parts p WHERE p.delivery_id = o.delivery_id)
 ORDER BY o.notice_at LIMIT $3"""


async def drop(database: Database, partitions: Collection[int], before: datetime) -> int:
    """Cancel the waiting notices that were asked for before this; their number. One in somebody's hand is left."""
    dropped = 0
    while True:
        rows = await database.pool.fetch(FIND, list(partitions), before, BATCH)
        if not rows:
            return dropped
        async with database.transaction() as connection:
            entries = await store.lock(connection, {row["delivery_id"] for row in rows}, wait=False)
            at: datetime = await connection.fetchval("SELECT clock_timestamp()")
            waiting = [entry for entry in entries.values() if entry.post.state is DeliveryState.QUEUED]
            for entry in waiting:
                entry.move(entry.post, Event.CANCEL, at, STALE)
            await store.write(connection, waiting)
            await receipts.write(connection, waiting)
        dropped += len(waiting)
        if len(rows) < BATCH or not waiting:
            return dropped
