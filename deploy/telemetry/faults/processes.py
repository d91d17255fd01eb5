"""Faults of Okno's own processes: they wait, starve, end, lack a setting, or do what another does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis.batches import Batches
from chassis.clock import SystemClock
from chassis.database import Database
from chassis.dead_letter_share import Limit
from chassis.kafka import make_consumer
from chassis.records import is_compacted
from chassis.settings import KafkaSettings
from contracts.codec import decode
from contracts.topics import TOPICS
from deploy.telemetry.faults.fault import Scene, beside
from sandbox.stack.stack import Stack
from services.ingest.reading import CONSUMER, SCHEMA
from services.ingest.reading import TOPICS as READ
from services.ingest.worker.run import Noting

ROUTER, RELAY = "router.polled", "relay.taken"
_WAITING = {"router-0": ROUTER, "ticketing-worker-0": RELAY, "ticketing-worker-1": RELAY}


def waiting(folder: Path) -> dict[str, dict[str, str]]:
    """Settings by process that make it wait at its point when told to."""
    return {
        process: {"FAULT_POINTS": f"{point}=file:{folder / process}", "FAULT_DIRECTORY": str(folder)}
        for process, point in _WAITING.items()
    }


@asynccontextmanager
async def router_waits(scene: Scene) -> AsyncIterator[None]:
    async with _held(scene.points, ROUTER):
        yield


@asynccontextmanager
async def relay_waits(scene: Scene) -> AsyncIterator[None]:
    """The lease of one worker ends while it waits; the next takes it, and waits too."""
    async with _held(scene.points, RELAY):
        yield


@asynccontextmanager
async def _held(folder: Path, point: str) -> AsyncIterator[None]:
    """All processes that have the point."""
    go_on = folder / f"{point}.go"
    go_on.unlink(missing_ok=True)
    orders = [folder / process for process, its in _WAITING.items() if its == point]
    for order in orders:
        draft = order.with_suffix(".draft")
        draft.write_text(f"hold:{go_on}")
        draft.rename(order)
    yield
    for order in orders:
        order.unlink(missing_ok=True)
    go_on.touch()


@asynccontextmanager
async def _restarted(stack: Stack, name: str, **settings: str) -> AsyncIterator[None]:
    """With other settings while inside."""
    before = stack.process(name).launch.env
    await stack.restart(name, env=settings)
    yield
    await stack.restart(name, env={setting: before.get(setting, "") for setting in settings})


@asynccontextmanager
async def no_collector(scene: Scene) -> AsyncIterator[None]:
    broken = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "TRACE_SAMPLE_RATIO": "1"}
    async with _restarted(scene.stack, "ingest-slack", **broken):
        yield


@asynccontextmanager
async def not_heard(scene: Scene) -> AsyncIterator[None]:
    """Slack finds nobody for longer than it sends again, and no token is there to read what was missed. Its six minutes
    are seconds here, as the rules' times.
    """
    blind = {"SLACK_BOT_TOKEN": "", "SLACK_BACKFILL_AFTER_SECONDS": "3"}
    async with _restarted(scene.stack, "ingest-worker", **blind):
        await scene.stack.stop_process("ingest-slack")
        await asyncio.sleep(5)
        await scene.stack.start_process("ingest-slack")
        yield


@asynccontextmanager
async def starved(scene: Scene) -> AsyncIterator[None]:
    process = scene.stack.process("ingest-worker")

    async def starve() -> None:
        try:
            while True:
                process.suspend()
                await asyncio.sleep(1.2)
                process.resume()
                await asyncio.sleep(0.4)
        finally:
            process.resume()

    async with beside(starve()):
        yield


@asynccontextmanager
async def no_router(scene: Scene) -> AsyncIterator[None]:
    await scene.stack.kill("router-0")
    yield
    await scene.stack.start_process("router-0")


@asynccontextmanager
async def restarts(scene: Scene) -> AsyncIterator[None]:
    for _ in range(5):
        await scene.stack.kill("ingest-worker")
        await scene.stack.start_process("ingest-worker")
        await asyncio.sleep(2)
    yield


@asynccontextmanager
async def read_twice(scene: Scene) -> AsyncIterator[None]:
    """A second ingest-worker reads the same partitions: outside the group, as one that Kafka has given up and that
    doesn't know it. Which of the two commits a batch first does its work, the other's is refused.
    """
    settings = KafkaSettings(kafka_bootstrap_servers=scene.stack.info.kafka.bootstrap_servers)
    database = await Database.connect(scene.database, schema=SCHEMA, process="twin")
    consumer = make_consumer(settings, group=None, instance=None)
    await consumer.start()
    try:
        async with beside(_read(consumer, database)):
            yield
    finally:
        await consumer.stop()
        await database.close()


async def _read(consumer: AIOKafkaConsumer, database: Database) -> None:
    batches = Batches(
        consumer=CONSUMER,
        process="twin",
        database=database,
        handle=Noting().handle,
        decode=decode,
        compacted=is_compacted,
        clock=SystemClock(),
        limit=Limit(),
        dead_letter_lane=lambda _topic, _partition: 0,
        fault_prefix="twin",
    )
    partitions = [TopicPartition(name, number) for name in READ for number in range(TOPICS[name].partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    while True:
        polled = await consumer.getmany(timeout_ms=1000)
        if polled:
            for partition, offset in (await batches.whole(polled, {})).seek.items():
                consumer.seek(partition, offset)
