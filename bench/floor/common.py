"""What the three processes share: raw clients with the same promises as Okno's (acks=all, idempotent; fsync on commit),
positions beside the state, records in CloudEvents binary mode.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from base64 import b32encode
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

EVENTS, COMMANDS, CHANGES = "floor.chat.events", "floor.ticket.commands", "floor.ticket.events"
PARTITIONS = 12
BATCH = 500
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
CLAIM = """
WITH moved AS (
    UPDATE positions p SET next_offset = a.goal, updated_at = now()
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS a(topic, partition, expected, goal)
    WHERE p.consumer = 'floor' AND p.topic = a.topic AND p.partition = a.partition AND p.next_offset = a.expected
    RETURNING 1
)"""

_SESSION = {
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # Every statement goes by keys; a plan made while tables are empty would read them whole for ever.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

Header = tuple[str, bytes]
Polled = dict[TopicPartition, list[Any]]


def digest(prefix: str, *parts: str) -> str:
    """An id derived from keys, as Okno derives its own."""
    return f"{prefix}_{b32encode(hashlib.sha256('|'.join(parts).encode()).digest()[:16]).decode().rstrip('=').lower()}"


def headers(record_id: str, kind: str, source: str, time: str) -> list[Header]:
    """As many and as long as Okno's."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", record_id.encode()),
        ("ce_type", kind.encode()),
        ("ce_source", source.encode()),
        ("ce_time", time.encode()),
        ("content-type", b"application/json"),
        ("traceparent", TRACEPARENT.encode()),
    ]


def pack(of: Sequence[Header]) -> bytes:
    return orjson.dumps([(name, value.decode()) for name, value in of])


def unpack(packed: bytes) -> list[Header]:
    return [(name, value.encode()) for name, value in orjson.loads(packed)]


async def producer() -> AIOKafkaProducer:
    made = AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        acks="all",
        enable_idempotence=True,
        max_batch_size=512 * 1024,
        linger_ms=0,
    )
    await made.start()
    return made


async def pool(schema: str) -> asyncpg.Pool[asyncpg.Record]:
    return await asyncpg.create_pool(
        os.environ["DATABASE_URL"],
        min_size=2,
        max_size=2,
        server_settings={"search_path": schema, **_SESSION},
        reset=_nothing,
    )


async def _nothing(_: Any) -> None:
    """Sessions are never changed: no reset is needed, which would cost a round trip."""


async def consumer(database: asyncpg.Pool[asyncpg.Record], *topics: str) -> AIOKafkaConsumer:
    """All partitions, from the stored positions."""
    made = AIOKafkaConsumer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=100,
    )
    await made.start()
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    made.assign(partitions)
    await database.executemany(
        "INSERT INTO positions (consumer, topic, partition, next_offset, cluster_id) VALUES ('floor', $1, $2, 0, '') "
        "ON CONFLICT DO NOTHING",
        [(tp.topic, tp.partition) for tp in partitions],
    )
    for row in await database.fetch("SELECT topic, partition, next_offset FROM positions WHERE consumer = 'floor'"):
        made.seek(TopicPartition(row["topic"], row["partition"]), row["next_offset"])
    return made


def claim_arguments(polled: Polled) -> tuple[list[str], list[int], list[int], list[int]]:
    """For CLAIM: where each partition's position must stand, and where it goes."""
    return (
        [tp.topic for tp in polled],
        [tp.partition for tp in polled],
        [records[0].offset for records in polled.values()],
        [records[-1].offset + 1 for records in polled.values()],
    )


class Publisher:
    """Batches by partition, returns when all are acknowledged."""

    def __init__(self, to: AIOKafkaProducer) -> None:
        self._to = to
        self._partitions: dict[bytes, int] = {}

    async def publish(self, rows: Iterable[tuple[str, bytes, bytes, list[Header]]]) -> None:
        """Rows of topic, key, value, headers."""
        queues: dict[tuple[str, int], list[tuple[bytes, bytes, list[Header]]]] = {}
        for topic, key, value, of in rows:
            queues.setdefault((topic, self.partition(key)), []).append((key, value, of))
        waiting = []
        for (topic, partition), queue in queues.items():
            batch = self._to.create_batch()
            for key, value, of in queue:
                if batch.append(timestamp=None, key=key, value=value, headers=of) is None:
                    waiting.append(await self._to.send_batch(batch, topic, partition=partition))
                    batch = self._to.create_batch()
                    batch.append(timestamp=None, key=key, value=value, headers=of)
            waiting.append(await self._to.send_batch(batch, topic, partition=partition))
        for acknowledgement in waiting:
            await acknowledgement

    def partition(self, key: bytes) -> int:
        """Kafka's default partitioner, remembered: it is slow in Python."""
        known = self._partitions.get(key)
        if known is None:
            known = self._partitions[key] = (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
        return known


def ready() -> None:
    Path(os.environ["READY_FILE"]).touch()


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Until SIGTERM."""

    async def until_asked() -> None:
        task = asyncio.ensure_future(main())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    uvloop.run(until_asked())
