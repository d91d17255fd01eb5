"""What tests of consuming share: a table that every handled record lands in, and a service in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis import outbox
from chassis.consumer import Consumer, Record
from chassis.database import Connection, Database
from chassis.errors import DataError, Poison, Transient
from chassis.kafka import make_producer
from chassis.outbox import OutboxRow
from chassis.settings import KafkaSettings
from tests import topic_reader

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0

TABLE = """
CREATE TABLE IF NOT EXISTS seen (
    id bigserial PRIMARY KEY,
    topic text NOT NULL, partition int NOT NULL, record_offset bigint NOT NULL,
    value bytea, process text NOT NULL,
    UNIQUE (topic, partition, record_offset)
)"""
_SEE = """
INSERT INTO seen (topic, partition, record_offset, value, process)
SELECT topic, partition, record_offset, value, $5
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bytea[]) WITH ORDINALITY
    AS a(topic, partition, record_offset, value, n)
ORDER BY n"""


async def eventually(condition: Callable[[], Awaitable[Any]], *, within: float = PATIENCE) -> Any:
    """The first true answer of `condition`. It is asked again and again: what it waits for happens elsewhere."""
    deadline = time.monotonic() + within
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{condition} was never true within {within:g} s")
        await asyncio.sleep(0.02)


async def see(records: Sequence[Record], connection: Connection, process: str = "test") -> None:
    """A handler that fails by the unique key if a record is handled twice, and does what some records' values say."""
    for record in records:
        match record.value:
            case b"poison":
                raise Poison("poisonous", "the test said so")
            case b"bug":
                raise KeyError("bug")
            case b"data":
                raise DataError("impossible", "the test said so")
            case b"transient":
                raise Transient("the test said so")
            case b"kill":
                os.kill(os.getpid(), signal.SIGKILL)
    await connection.execute(
        _SEE,
        [record.topic for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
        [record.value for record in records],
        process,
    )


@dataclass
class World:
    """A topic's way through a service: `topic` is consumed, every record lands in `seen` and goes on to `out`."""

    settings: KafkaSettings
    dsn: str
    database: Database
    topic: str
    out: str
    schema: str = "app"
    consumer: str = "app"
    faults: Path = field(default_factory=Path)

    async def produce(
        self, values: Sequence[bytes | None], *, key: bytes = b"k", headers: Any = (), partition: int | None = None
    ) -> None:
        """All of them acknowledged, in order."""
        producer = make_producer(self.settings)
        await producer.start()
        try:
            futures = [
                await producer.send(self.topic, value, key=key, headers=list(headers), partition=partition)
                for value in values
            ]
            await asyncio.gather(*futures)
        finally:
            await producer.stop()

    async def seen(self) -> list[bytes]:
        """What was handled, in the order in which it was."""
        return [row["value"] for row in await self.database.pool.fetch("SELECT value FROM seen ORDER BY id")]

    async def seen_offsets(self, partition: int = 0) -> list[int]:
        rows = await self.database.pool.fetch(
            "SELECT record_offset FROM seen WHERE partition = $1 ORDER BY id", partition
        )
        return [row["record_offset"] for row in rows]

    async def position(self, partition: int = 0) -> int | None:
        found: int | None = await self.database.pool.fetchval(
            "SELECT next_offset FROM positions WHERE consumer = $1 AND topic = $2 AND partition = $3",
            self.consumer, self.topic, partition,
        )  # fmt: skip
        return found

    async def until_position(self, offset: int, partition: int = 0) -> None:
        async def reached() -> bool:
            return await self.position(partition) == offset

        await eventually(reached)

    async def outbox(self) -> list[OutboxRow]:
        rows = await self.database.pool.fetch("SELECT * FROM outbox ORDER BY id")
        return [
            OutboxRow(row["topic"], row["key"], row["payload"], outbox.unpack_headers(row["headers"]), row["lane"])
            for row in rows
        ]

    async def published(self, topic: str | None = None) -> list[bytes]:
        """Everything on the outgoing topic, partition after partition."""
        found = await topic_reader.records(self.settings.kafka_bootstrap_servers, topic or self.out)
        return [record.value or b"" for record in found]

    def make_consumer(self, **options: Any) -> Consumer:
        return Consumer(
            **{
                "name": self.consumer,
                "topics": [self.topic],
                "database": self.database,
                "kafka": self.settings,
                "handle": see,
                "process": "app-0",
                "decode": None,
                **options,
            }
        )

    @asynccontextmanager
    async def consuming(self, **options: Any) -> AsyncIterator[Consumer]:
        """A consumer in this process; an error of its loop fails the test at the end."""
        consumer = self.make_consumer(**options)
        running = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            consumer.stop()
            await running

    async def start(self, process: str = "app-0", *, faults: str = "", relay: bool = True, **options: Any) -> Service:
        """The service as a process of its own, with faults."""
        job = {
            "dsn": self.dsn,
            "schema": self.schema,
            "bootstrap_servers": self.settings.kafka_bootstrap_servers,
            "consumer": self.consumer,
            "topic": self.topic,
            "out": self.out,
            "process": process,
            "faults": faults,
            "fault_directory": str(self.faults),
            "relay": relay,
            **options,
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.chassis.service", json.dumps(job), cwd=ROOT
        )
        return Service(child)

    async def reached(self, point: str) -> None:
        """The fault point has been reached by a process of this test."""

        async def there() -> bool:
            return (self.faults / f"{point}.reached").exists()

        await eventually(there)


@dataclass
class Service:
    """A process of this test's own."""

    process: asyncio.subprocess.Process

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
