"""A small service as a process: consume, note, hand on through the outbox, relay. Ends at SIGTERM with exit code 0."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chassis import faults, outbox
from chassis.consumer import Consumer, Record
from chassis.database import Connection, Database
from chassis.kafka import make_producer
from chassis.outbox import OutboxRow
from chassis.relay import Relay
from chassis.settings import KafkaSettings
from tests.integration.chassis.world import see


async def main(job: dict[str, Any]) -> None:
    faults.configure(job["faults"], Path(job["fault_directory"]))
    settings = KafkaSettings(kafka_bootstrap_servers=job["bootstrap_servers"])
    process = job["process"]
    database = await Database.connect(job["dsn"], schema=job["schema"], process=process, settings=job.get("session"))
    producer = make_producer(settings)
    await producer.start()
    relay = Relay(database=database, producer=producer, process=process, lease_seconds=job.get("lease_seconds", 2))

    async def handle(records: Sequence[Record], connection: Connection) -> None:
        await see(records, connection, process)
        await outbox.add(connection, [OutboxRow(job["out"], r.key, r.value, r.headers) for r in records])

    async def wake(_: object) -> None:
        relay.wake()

    consumer = Consumer(
        name=job["consumer"],
        topics=[job["topic"]],
        database=database,
        kafka=settings,
        handle=handle,
        process=process,
        decode=None,
        after_commit=wake,
        max_records=job.get("max_records", 500),
    )
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, consumer.stop)
    relaying = asyncio.create_task(relay.run()) if job["relay"] else None
    if job.get("consume", True):
        await consumer.run()
    elif relaying is not None:
        loop.add_signal_handler(signal.SIGTERM, relay.stop)
        await relaying
    if relaying is not None:
        relay.stop()
        await relaying
    await producer.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
