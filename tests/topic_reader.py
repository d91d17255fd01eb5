"""What stands in Kafka's topics now, read without a group: nobody's positions move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


@asynccontextmanager
async def _reader(bootstrap_servers: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Takes what is there at once: the broker holds no answer back until there is more."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=1,
        max_partition_fetch_bytes=8 * 1024 * 1024,
        retry_backoff_ms=20,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def ends(bootstrap_servers: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offset of each."""
    asked = list(partitions)
    async with _reader(bootstrap_servers) as consumer:
        consumer.assign(asked)  # else the question would first wait for metadata
        consumer.pause(*asked)
        return dict(await consumer.end_offsets(asked))


async def records(bootstrap_servers: str, topic: str) -> list[Any]:
    """Every record, partition after partition, in order. The topic must have lost none to its retention.

    Partitions without records aren't read: an answer for all would wait for theirs.
    """
    async with _reader(bootstrap_servers) as consumer:
        partitions = [TopicPartition(topic, number) for number in await consumer._client._wait_on_metadata(topic)]
    written = {tp: end for tp, end in sorted((await ends(bootstrap_servers, partitions)).items()) if end}
    found: list[Any] = []
    if written:
        async with _reader(bootstrap_servers) as consumer:
            consumer.assign(list(written))
            for tp in written:
                consumer.seek(tp, 0)
            for tp, end in written.items():
                while await consumer.position(tp) < end:
                    found += (await consumer.getmany(tp, timeout_ms=1000)).get(tp, [])
    return found
