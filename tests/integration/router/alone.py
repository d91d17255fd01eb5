"""The router's worker on a database of its own, fed without Kafka, and what the notifier says of a post."""

from __future__ import annotations

import itertools
from typing import Any

from chassis import outbox
from chassis.database import Database
from chassis.records import Record
from contracts.base import RecordModel
from contracts.chat_events_v1 import ChatEvent, MessagePosted
from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryState, Operation
from contracts.codec import decode, encode
from contracts.keys import ChannelKey, MessageKey
from contracts.ticket_commands_v1 import PlaceMessage
from services.router.worker import Worker
from tests.unit.router.makers import GROUP, NOW, at


class Router:
    """The worker on a database of its own, fed without Kafka."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.worker = Worker(publish=True)
        self._offsets = itertools.count()

    async def take(self, *models: RecordModel, partition: int = 0) -> list[RecordModel]:
        """One batch, one transaction; what it wrote to the outbox, in order."""
        records = [self.record(model, partition) for model in models]
        async with self.database.transaction() as connection:
            await self.worker.handle(records, connection)
        return await self.sent()

    async def rule(self, event: ChatEvent) -> str:
        """Take the event alone; by which rule it was decided."""
        await self.take(event)
        found = await self.database.pool.fetchval("SELECT rule FROM decisions WHERE event_id = $1", event.record_id)
        assert isinstance(found, str)
        return found

    async def place(self, event: MessagePosted) -> PlaceMessage:
        placed = [one for one in await self.take(event) if isinstance(one, PlaceMessage)]
        assert len(placed) == 1
        return placed[0]

    async def tombstone(self, topic: str, key: str) -> None:
        record = Record(topic, 0, next(self._offsets), 0, key.encode(), None, (), None)
        async with self.database.transaction() as connection:
            await self.worker.handle([record], connection)

    def record(self, model: RecordModel, partition: int) -> Record:
        encoded = encode(model, source="test", time=NOW)
        envelope = decode(encoded.topic, encoded.headers, encoded.value)
        offset = next(self._offsets)
        return Record(encoded.topic, partition, offset, 0, encoded.key, encoded.value, encoded.headers, envelope)

    async def sent(self) -> list[RecordModel]:
        """What waits in the outbox, taken out of it."""
        rows = await self.database.pool.fetch("DELETE FROM outbox RETURNING id, topic, headers, payload")
        ordered = sorted(rows, key=lambda row: row["id"])
        return [
            decode(
                row["topic"],
                [(n, v) for n, v in outbox.unpack_headers(row["headers"]) if v is not None],
                row["payload"],
            ).data
            for row in ordered
        ]


def receipt(
    key: MessageKey | None,
    conversation_id: str,
    channel: ChannelKey = GROUP.key,
    state: DeliveryState = DeliveryState.SENT,
    *,
    version: int = 2,
    seconds: float = 0,
    delivery: str = "rpl_1",
    **more: Any,
) -> DeliveryChanged:
    return DeliveryChanged(
        delivery_id=delivery,
        version=version,
        channel_key=channel,
        conversation_id=conversation_id,
        operation=Operation.POST,
        state=state,
        at=at(seconds),
        message_keys=() if key is None else (key,),
        **more,
    )
