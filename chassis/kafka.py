"""Clients that lose nothing: producers wait for all replicas and never reorder, consumers start nowhere by themselves.

Keys choose partitions by Kafka's default hash (murmur2, as every Kafka client has it), here with a cache.
"""

from __future__ import annotations

import asyncio
import functools
import random
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.partitioner import murmur2
from aiokafka.protocol.metadata import MetadataRequest

from chassis.errors import Fatal, Transient
from chassis.records import Header
from chassis.settings import KafkaSettings
from contracts.topics import MAX_RECORD_BYTES, TOPIC_MAX_MESSAGE_BYTES

SESSION_SECONDS = 6
"""How long a dead member keeps its partitions: the least that brokers allow (`group.min.session.timeout.ms`)."""
MAX_POLL_SECONDS = 300
FETCH_WAIT_MS = 100
"""How long the broker holds an empty fetch. Partitions that were just sought or assigned wait for a fetch under way."""
FETCH_BYTES = 4 * 1024 * 1024
"""Most that one fetch brings (one larger record is always brought): bounds the memory of a batch."""
BATCH_BYTES = 512 * 1024
"""Most of one produced batch (one larger record is a batch of its own)."""

REMEMBERED_KEYS = 16_384
"""Keys whose hash is remembered: the same channels come again and again, and Python takes long to hash."""
PRODUCER_STUCK_SECONDS = 60.0


class ProducerStuck(Fatal):
    """The producer can't get its records acknowledged though the brokers answer; only a new producer helps."""


class Sendable(Protocol):
    """What `Publisher` publishes; an OutboxRow is one."""

    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[Header]: ...


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every aiokafka client needs to connect and log in."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.startswith("SASL_"):
        password = settings.kafka_sasl_password
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": None if password is None else password.get_secret_value(),
        }
    if settings.kafka_security_protocol.endswith("SSL"):
        context = options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        if settings.kafka_ssl_certfile is not None:
            context.load_cert_chain(settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
    return options


class _Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """Closes what a start that fails has opened."""

    async def start(self) -> None:
        try:
            await super().start()
        except BaseException:
            await self.stop()
            raise


def make_producer(settings: KafkaSettings, *, linger_ms: int = 0) -> AIOKafkaProducer:
    """acks=all and idempotent: what it acknowledges is kept, in the order it was given. Not started yet."""
    return _Producer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=TOPIC_MAX_MESSAGE_BYTES,
        linger_ms=linger_ms,
        partitioner=_choose_partition,
        retry_backoff_ms=50,
        request_timeout_ms=30_000,
    )


@functools.lru_cache(maxsize=REMEMBERED_KEYS)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Where our producers write a key, of so many partitions."""
    return _hash(key) % partitions


def _choose_partition(key: bytes | None, partitions: Sequence[int], _available: Sequence[int]) -> int:
    return random.choice(partitions) if key is None else partitions[partition_of(key, len(partitions))]


def make_consumer(
    settings: KafkaSettings, *, group: str | None, instance: str | None, fetch_wait_ms: int = FETCH_WAIT_MS
) -> AIOKafkaConsumer:
    """A member that keeps its partitions over a restart (`instance`), and starts nowhere by itself."""
    return AIOKafkaConsumer(
        **connection_options(settings),
        group_id=group,
        group_instance_id=instance,
        enable_auto_commit=False,
        auto_offset_reset="none",
        session_timeout_ms=SESSION_SECONDS * 1000,
        heartbeat_interval_ms=SESSION_SECONDS * 1000 // 4,
        max_poll_interval_ms=MAX_POLL_SECONDS * 1000,
        fetch_max_wait_ms=fetch_wait_ms,
        fetch_min_bytes=1,
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=MAX_RECORD_BYTES // 4,
        retry_backoff_ms=50,
        request_timeout_ms=30_000,
        metadata_max_age_ms=60_000,
    )


async def stop_consumer(consumer: AIOKafkaConsumer, *, seconds: float, leave: bool) -> None:
    """Disconnect. With `leave`, leave the group too, which aiokafka does for dynamic members only.

    Raises KafkaError, and TimeoutError after `seconds`.
    """
    coordinator = consumer._coordinator  # noqa: SLF001 - there is no public way
    if coordinator is not None and leave:
        coordinator._group_instance_id = None  # noqa: SLF001
    try:
        async with asyncio.timeout(seconds):
            await consumer.stop()
    finally:
        # What ended the coordination was raised by the consumer already.
        task = getattr(coordinator, "_coordination_task", None)
        if task is not None and task.done() and not task.cancelled():
            task.exception()


async def cluster_id(settings: KafkaSettings) -> str:
    """Which cluster the brokers belong to. Raises KafkaError."""
    client = AIOKafkaClient(**connection_options(settings), request_timeout_ms=10_000)
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), MetadataRequest([]))
        return str(response.cluster_id)
    finally:
        await client.close()


async def group_offset(settings: KafkaSettings, group: str, partition: TopicPartition) -> int | None:
    """What a group has committed for a partition, whether or not it has members now. Raises KafkaError."""
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(**connection_options(settings), request_timeout_ms=10_000)
    try:
        await admin.start()
        offsets = await admin.list_consumer_group_offsets(group, partitions=[partition])
    finally:
        await admin.close()
    found = offsets.get(partition)
    return None if found is None or found.offset < 0 else int(found.offset)


class Publisher:
    """Publishes many records at once, in order per partition, and returns when all are acknowledged.

    Batches of one partition go one after another, each after the acknowledgement of the one before: a failure leaves
    no later record published before an earlier one. Whoever retries after a failure repeats records, loses none.
    """

    def __init__(self, producer: AIOKafkaProducer, *, stuck_seconds: float = PRODUCER_STUCK_SECONDS) -> None:
        self.producer = producer
        self._stuck_seconds = stuck_seconds
        self._partitions: dict[tuple[str, bytes], int] = {}

    async def publish(self, rows: Iterable[Sendable], waiting: Callable[[], None] | None = None) -> None:
        """Raises Transient when Kafka is away for long, ProducerStuck when only a new producer helps.

        `waiting` is called about once a second while acknowledgements are awaited.
        """
        queues: dict[tuple[str, int], list[Sendable]] = {}
        for one in rows:
            queues.setdefault((one.topic, await self._partition(one.topic, one.key)), []).append(one)
        places = dict.fromkeys(queues, 0)
        while places:
            acknowledgements = []
            for (topic, partition), begin in list(places.items()):
                queue = queues[topic, partition]
                batch = self.producer.create_batch()
                end = begin
                while end < len(queue) and _append(batch, queue[end]):
                    end += 1
                acknowledgements.append(await self._send(batch, topic, partition))
                if end < len(queue):
                    places[topic, partition] = end
                else:
                    del places[topic, partition]
            await self._acknowledged(acknowledgements, waiting)

    async def _partition(self, topic: str, key: bytes | None) -> int:
        known = self._partitions.get((topic, key or b""))
        if known is not None:
            return known
        try:
            count = len(await self.producer.partitions_for(topic))
        except KafkaError as error:
            raise _narrowed(error, f"no metadata of {topic}") from error
        partition = _hash(key or b"") % count
        if len(self._partitions) > REMEMBERED_KEYS:
            self._partitions.clear()
        self._partitions[topic, key or b""] = partition
        return partition

    async def _send(self, batch: Any, topic: str, partition: int) -> asyncio.Future[Any]:
        try:
            future: asyncio.Future[Any] = await self.producer.send_batch(batch, topic, partition=partition)
        except KafkaError as error:
            raise _narrowed(error, f"publishing on {topic}") from error
        return future

    async def _acknowledged(self, futures: Sequence[asyncio.Future[Any]], waiting: Callable[[], None] | None) -> None:
        pending = set(futures)
        since = time.monotonic()
        while pending:
            done, pending = await asyncio.wait(pending, timeout=1.0, return_when=asyncio.ALL_COMPLETED)
            failure = next((error for future in done if (error := future.exception()) is not None), None)
            if failure is not None:
                for future in pending:
                    future.add_done_callback(_retrieved)
                # An idempotent producer retries what can be retried by itself; what it gives up on leaves a hole in
                # its sequence numbers, and brokers refuse all that comes after.
                raise ProducerStuck(f"publishing failed for good: {failure!r}") from failure
            if not pending:
                return
            if waiting is not None:
                waiting()
            if time.monotonic() - since > self._stuck_seconds:
                await self._raise_if_brokers_answer()
                since = time.monotonic()

    async def _raise_if_brokers_answer(self) -> None:
        """No acknowledgement for a long time: waiting is right while Kafka is away, and wrong when it is there."""
        try:
            async with asyncio.timeout(5):
                await self.producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError):
            return
        raise ProducerStuck(f"no acknowledgement within {self._stuck_seconds:g} s though the brokers answer")


def _append(batch: Any, one: Sendable) -> bool:
    return batch.append(timestamp=None, key=one.key, value=one.value, headers=list(one.headers)) is not None


def _retrieved(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _narrowed(error: KafkaError, doing: str) -> Exception:
    if error.retriable or isinstance(error, KafkaTimeoutError):
        return Transient(f"{doing}: {error!r}")
    return ProducerStuck(f"{doing}: {error!r}")
