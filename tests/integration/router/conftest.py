"""A router of the test's own: real broker, real database, the real consumer in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.kafka import make_producer
from chassis.migrations import migrate
from chassis.relay import Relay
from chassis.settings import KafkaSettings
from contracts.base import RecordModel
from contracts.codec import decode, encode
from contracts.topics import TOPICS as REGISTRY
from sandbox.stack.kafka.server import EmbeddedKafka
from services.router.bootstrap import FOLDERS, SCHEMA
from services.router.publishing import Publishing
from services.router.worker import CONSUMER, TOPICS, Worker
from tests import topic_reader
from tests.integration.router.alone import Router
from tests.unit.router.makers import NOW

PATIENCE = 30.0


class RouterBench:
    """Feeds the router's topics and reads what it published."""

    def __init__(self, settings: KafkaSettings, database: Database, producer: AIOKafkaProducer, dsn: str) -> None:
        self.settings = settings
        self.database = database
        self.producer = producer
        self.dsn = dsn
        self._read: list[RecordModel] = []

    async def send(self, *models: RecordModel, traceparent: str | None = None) -> None:
        """Publish records on their topics, in order."""
        acknowledged = []
        for model in models:
            one = encode(model, source="test", time=NOW, traceparent=traceparent)
            acknowledged.append(await self.producer.send(one.topic, one.value, key=one.key, headers=one.headers))
        await asyncio.gather(*acknowledged)

    async def published(self, topic: str) -> list[RecordModel]:
        """All that is on a topic now, partition by partition, in order."""
        return [record for _, record in await self.published_by_partition(topic)]

    async def published_by_partition(self, topic: str) -> list[tuple[int, RecordModel]]:
        records = await self._records(topic)
        return [(one.partition, decode(topic, one.headers, one.value).data) for one in records]

    async def traces(self, topic: str) -> list[str]:
        """The trace contexts of what is on a topic."""
        return [dict(one.headers)["traceparent"].decode() for one in await self._records(topic)]

    async def count(self, topic: str) -> int:
        """How many records are on a topic."""
        return len(await self._records(topic))

    async def _records(self, topic: str) -> list[Any]:
        return await topic_reader.records(self.settings.kafka_bootstrap_servers, topic)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for what must come to be; a test that waits in vain fails by its deadline."""
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await asyncio.sleep(0.02)

    async def settled(self) -> None:
        """Wait until every record that was sent is behind the router."""

        async def caught_up() -> bool:
            ends = await self._ends()
            rows = await self.database.pool.fetch(
                "SELECT topic, partition, next_offset FROM positions WHERE consumer = $1", CONSUMER
            )
            stored = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            return all(stored.get(tp, 0) >= end for tp, end in ends.items() if end)

        await self.until(caught_up)

    async def outbox_published(self) -> bool:
        """Nothing waits in the outbox but what is published and not yet deleted."""
        waiting: int = await self.database.pool.fetchval("SELECT count(*) FROM outbox")
        return waiting == 0

    async def _ends(self) -> dict[tuple[str, int], int]:
        partitions = [TopicPartition(topic, n) for topic in TOPICS for n in range(REGISTRY[topic].partitions)]
        ends = await topic_reader.ends(self.settings.kafka_bootstrap_servers, partitions)
        return {(tp.topic, tp.partition): end for tp, end in ends.items()}

    async def rules(self) -> dict[str, str]:
        """The rule of each decided event."""
        rows = await self.database.pool.fetch("SELECT event_id, rule FROM decisions")
        return {row["event_id"]: row["rule"] for row in rows}

    @asynccontextmanager
    async def router(
        self, name: str = "router-0", *, publish: bool = True, park_keys: bool = False
    ) -> AsyncIterator[Consumer]:
        """A router that runs in this process; its failure fails the test."""
        database = await Database.connect(self.dsn, schema=SCHEMA, process=name)
        producer = make_producer(self.settings)
        await producer.start()
        relay = Relay(database=database, producer=producer, process=name, lease=None, fault_prefix=CONSUMER)
        publishing = Publishing(relay, sweep_seconds=0.2)
        worker = Worker(publish=publish, wrote=publishing.wrote)
        consumer = Consumer(
            name=CONSUMER,
            topics=TOPICS,
            database=database,
            kafka=self.settings,
            handle=worker.handle,
            process=name,
            park_keys=park_keys,
            after_commit=publishing.after_commit,
            on_assigned=publishing.on_assigned,
            dead_letter_lane=publishing.dead_letter_lane,
        )
        publishing.follow(consumer)
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run())
            group.create_task(publishing.sweep())
            yield consumer
            consumer.stop()
            publishing.stop()
        await producer.stop()
        await database.close()


@pytest.fixture
async def bench(kafka: EmbeddedKafka, registry_topics: None, database_url: str) -> AsyncIterator[RouterBench]:
    settings = KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    database = await Database.connect(database_url, schema=SCHEMA, process="test")
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all", linger_ms=0)
    await producer.start()
    yield RouterBench(settings, database, producer, database_url)
    await producer.stop()
    await database.close()


@pytest.fixture
async def router(database_url: str) -> AsyncIterator[Router]:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    database = await Database.connect(database_url, schema=SCHEMA, process="test")
    yield Router(database)
    await database.close()
