"""The Kafka topics of the running stack as a test sees them: ends, records since a mark, records written by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.topics import TOPICS, dead_topic

ALL = [TopicPartition(name, n) for topic in TOPICS.values() for n in range(topic.partitions)
       for name in (topic.name, dead_topic(topic.name))]  # fmt: skip

Offsets = dict[TopicPartition, int]


@dataclass(slots=True)
class Log:
    """Reads without a group: nobody's positions move."""

    bootstrap_servers: str

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="none",
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )  # fmt: skip
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    async def ends(self) -> Offsets:
        """The next offset of every partition of Okno's topics. KafkaError while Kafka is away."""
        async with self._reader() as consumer:
            return dict(await consumer.end_offsets(ALL))

    async def since(self, mark: Mapping[TopicPartition, int], topic: str) -> list[Any]:
        """The records of a topic from the mark to its present end, partition by partition, in order."""
        partitions = [tp for tp in ALL if tp.topic == topic]
        found: list[Any] = []
        async with self._reader() as consumer:
            ends = await consumer.end_offsets(partitions)
            starts = await consumer.beginning_offsets(partitions)
            for tp in partitions:
                begin = max(mark.get(tp, 0), starts[tp])
                if begin >= ends[tp]:
                    continue
                consumer.assign([tp])
                consumer.seek(tp, begin)
                while await consumer.position(tp) < ends[tp]:
                    read = (await consumer.getmany(tp, timeout_ms=200)).get(tp, [])
                    found += [record for record in read if record.offset < ends[tp]]
        return found

    async def write(
        self, topic: str, values: Sequence[bytes | None], *, key: str, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Publish values as they are, in order, on the partition of the key."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(topic, value, key=key.encode(), headers=list(headers))
        finally:
            await producer.stop()
