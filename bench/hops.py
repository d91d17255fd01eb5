"""What a message costs on both sides: the hops, the rows that PostgreSQL counted, the bytes that Kafka was given."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.side import Side

HOPS: tuple[tuple[str, str, str], ...] = (
    ("webhook", "uvicorn + httptools, signature, parse, publish acks=all, 200", "the same; pydantic models, counters"),
    ("chat.events", "12 partitions", "12 partitions"),
    ("router", "one transaction a batch: 2 statements", "one transaction a batch: dedupe, view, policy, decide, store"),
    ("ticket.commands", "published from memory after the commit", "read back from the outbox after the commit"),
    ("ticketing", "one transaction a batch: 2 statements", "one transaction a batch: load, lock, rules, save"),
    ("visible", "floor_ticketing.messages", "ticketing.messages"),
    ("relay", "read, publish, delete", "read, publish, delete, under a lease"),
    ("ticket.events -> router", "tickets, ticket_conversations", "tickets, ticket_conversations"),
    ("beside the way", "nothing", "ingest-worker reads chat.events for profiles; probes, metrics, traces"),
)

_WRITTEN = """
SELECT schemaname || '.' || relname AS name, n_tup_ins, n_tup_upd, n_tup_del,
    (SELECT count(*) FROM pg_index WHERE indrelid = relid) AS indexes
FROM pg_stat_user_tables WHERE schemaname = ANY($1::text[])"""

Written = dict[str, tuple[int, int, int, int]]


class RowCounter:
    """Counts the rows of a side from before its processes start until they have stopped: then PostgreSQL has counted
    all.
    """

    def __init__(self, database: asyncpg.Connection[asyncpg.Record], side: Side) -> None:
        self._database = database
        self._side = side
        self._before: Written = {}

    async def begin(self) -> None:
        self._before = await self._written()

    async def a_message(self, messages: int) -> dict[str, float]:
        """Rows inserted, updated and deleted a message: `<table> insert`, ... Less than 0.01 is left out."""
        return rows_a_message(self._before, await self._written(), messages)

    async def _written(self) -> Written:
        rows = await self._database.fetch(_WRITTEN, list(self._side.schemas))
        return {row["name"]: (row["n_tup_ins"], row["n_tup_upd"], row["n_tup_del"], row["indexes"]) for row in rows}


def rows_a_message(before: Written, after: Written, messages: int) -> dict[str, float]:
    """The same tables have the same names on both sides."""
    found = {}
    for name, (inserted, updated, deleted, _) in sorted(after.items()):
        earlier = before.get(name, (0, 0, 0, 0))
        for what, count, was in zip(
            ("insert", "update", "delete"), (inserted, updated, deleted), earlier, strict=False
        ):
            each = (count - was) / messages
            if each >= 0.01:
                found[f"{name.removeprefix('floor_')} {what}"] = round(each, 2)
    return found


async def record_bytes(bootstrap_servers: str, topics: Mapping[str, str]) -> dict[str, int]:
    """Average bytes of key, value and headers of the latest records, by the names that `topics` gives to topics."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="latest")
    await consumer.start()
    try:
        return {name: await _average(consumer, topic) for topic, name in topics.items()}
    finally:
        await consumer.stop()


async def _average(consumer: AIOKafkaConsumer, topic: str, wanted: int = 300) -> int:
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or range(12))]
    consumer.assign(partitions)
    for tp, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(tp, max(0, end - wanted // len(partitions)))
    sizes: list[int] = []
    while polled := await consumer.getmany(timeout_ms=1000, max_records=wanted):
        for records in polled.values():
            for record in records:
                headers = sum(len(name) + len(value) for name, value in record.headers)
                sizes.append(len(record.key or b"") + len(record.value or b"") + headers)
    return round(sum(sizes) / len(sizes)) if sizes else 0
