"""The Kafka topics of the running stack from outside: ends, records since a mark, records written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from contracts.topics import TOPICS, dead_topic

ALL = [TopicPartition(name, n) for topic in TOPICS.values() for n in range(topic.partitions)
       for name in (topic.name, dead_topic(topic.name))]  # fmt: skip

Offsets = dict[TopicPartition, int]


class Log:
    """Reads without a group: nobody's positions move. What `expire` took from Kafka it still knows."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._consumer: AIOKafkaConsumer | None = None
        self._expired: dict[TopicPartition, list[Any]] = {}
        self._begins: Offsets = {}

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _reader(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._servers,
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_partition_fetch_bytes=8 * 1024 * 1024,
                retry_backoff_ms=20,
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            consumer.assign(ALL)  # else each question would first wait for metadata, for seconds
            consumer.pause(*ALL)
            self._consumer = consumer
        return self._consumer

    async def ends(self) -> Offsets:
        """The next offset of every partition of Okno's topics. KafkaError while Kafka is away."""
        consumer = await self._reader()
        try:
            return dict(await consumer.end_offsets(ALL))
        except KafkaError:
            await self.close()
            raise

    async def since(self, mark: Mapping[TopicPartition, int], topic: str) -> list[Any]:
        """The records of a topic from the mark to its present end by partition, in order; expired ones too."""
        partitions = [tp for tp in ALL if tp.topic == topic]
        consumer = await self._reader()
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        for tp in partitions:
            begin = mark.get(tp, 0)
            found += [record for record in self._expired.get(tp, ()) if record.offset >= begin]
            begin = max(begin, self._begins.get(tp, 0))
            if begin >= ends[tp]:
                continue
            consumer.seek(tp, begin)
            consumer.resume(tp)
            try:
                while begin < ends[tp]:
                    for record in (await consumer.getmany(tp, timeout_ms=200)).get(tp, []):
                        begin = record.offset + 1
                        if record.offset < ends[tp]:
                            found.append(record)
                    begin = max(begin, await consumer.position(tp))
            finally:
                consumer.pause(tp)
        return found

    async def expire(self, before: Mapping[TopicPartition, int]) -> int:
        """Have Kafka delete the records before these offsets, as retention would; how many. KafkaError while Kafka is
        away: then they may be gone, and are known.
        """
        taken = 0
        for topic in {tp.topic for tp in before}:
            for record in await self.since(self._begins, topic):
                tp = TopicPartition(record.topic, record.partition)
                if record.offset < before.get(tp, 0):
                    self._expired.setdefault(tp, []).append(record)
                    taken += 1
        going = {tp: offset for tp, offset in before.items() if offset > self._begins.get(tp, 0)}
        if not going:
            return taken
        self._begins.update(going)
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        try:
            await admin.start()
            await admin.delete_records({tp: RecordsToDelete(offset) for tp, offset in going.items()})
        finally:
            await admin.close()
        return taken

    async def write(
        self,
        topic: str,
        values: Sequence[tuple[bytes | None, Sequence[tuple[str, bytes]]]],
        *,
        key: str,
    ) -> list[tuple[int, int]]:
        """Publish values with headers as they are, in order, on the key's partition; partition and offset of each."""
        producer = AIOKafkaProducer(bootstrap_servers=self._servers, acks="all", enable_idempotence=True)
        written = []
        try:
            await producer.start()
            for value, headers in values:
                sent = await producer.send_and_wait(topic, value, key=key.encode(), headers=list(headers))
                written.append((sent.partition, sent.offset))
        finally:
            await producer.stop()
        return written
