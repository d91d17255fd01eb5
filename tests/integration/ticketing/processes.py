"""Ticketing's real processes for tests: started, killed at fault points, started again."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from aiokafka import AIOKafkaProducer

from chassis.compared import is_compared
from chassis.database import Database
from contracts.base import RecordModel
from contracts.codec import decode, encode
from contracts.ticket_events_v1 import TicketChanged
from contracts.topics import TOPICS
from tests import topic_reader
from tests.integration.ticketing.desk import NOW

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0


class Processes:
    """Everything that a test starts ends with it."""

    def __init__(self, dsn: str, bootstrap_servers: str, folder: Path, database: Database) -> None:
        self.dsn = dsn
        self.bootstrap_servers = bootstrap_servers
        self.folder = folder
        self.database = database
        self._running: list[asyncio.subprocess.Process] = []

    async def start(
        self, kind: str, *, name: str | None = None, faults: str = "", **more: str
    ) -> asyncio.subprocess.Process:
        env = {
            **os.environ,
            "DATABASE_URL": self.dsn,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "PROBE_PORT": "0",
            "FAULT_POINTS": faults,
            "FAULT_DIRECTORY": str(self.folder),
            **more,
        }
        command = [sys.executable, "-m", "cli.run", kind, "--name", name or f"{kind}-0"]
        log = (self.folder / f"{kind}-{len(self._running)}.log").open("wb")
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=log, stderr=log)
        log.close()
        self._running.append(process)
        return process

    async def start_api(self, *, faults: str = "") -> tuple[asyncio.subprocess.Process, str]:
        """The process and its address, when it answers."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = await self.start("ticketing-api", faults=faults, HTTP_PORT=str(port))
        url = f"http://127.0.0.1:{port}"

        async def answers() -> bool:
            try:
                async with httpx.AsyncClient() as client:
                    return (await client.get(f"{url}/openapi.json")).status_code == 200
            except httpx.TransportError:
                return False

        await self.until(answers)
        return process, url

    async def end(self) -> None:
        for process in self._running:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()

    async def send(self, *models: RecordModel) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, acks="all")
        await producer.start()
        try:
            for model in models:
                encoded = encode(model, source="test", time=NOW)
                await producer.send(encoded.topic, encoded.value, key=encoded.key, headers=encoded.headers)
            await producer.flush()
        finally:
            await producer.stop()

    async def events(self) -> dict[str, list[int]]:
        """The versions on ticket.events by ticket, in the order in which they first appear."""
        topic = "ticket.events.v1"
        found: dict[str, list[int]] = {}
        for record in await topic_reader.records(self.bootstrap_servers, topic):
            event = decode(topic, record.headers, record.value).data
            assert isinstance(event, TicketChanged)
            versions = found.setdefault(event.ticket_id, [])
            if event.version not in versions:
                versions.append(event.version)
        return found

    async def write_raw(self, topic: str, value: bytes) -> None:
        """A record that nobody of ours wrote, on every partition."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, acks="all")
        await producer.start()
        try:
            for partition in range(TOPICS[topic].partitions):
                await producer.send_and_wait(topic, value, partition=partition)
        finally:
            await producer.stop()

    async def models(self, topic: str) -> list[RecordModel]:
        """What is on a topic, partition by partition."""
        records = await topic_reader.records(self.bootstrap_servers, topic)
        return [decode(topic, record.headers, record.value).data for record in records]

    async def count(self, table: str) -> int:
        number: int = await self.database.pool.fetchval(f"SELECT count(*) FROM {table}")
        return number

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await asyncio.sleep(0.05)

    async def relayed(self) -> None:
        """Until the outbox is empty."""

        async def empty() -> bool:
            return await self.count("outbox") == 0

        await self.until(empty)

    async def compared(self) -> None:
        """Until a worker has compared the database with the log, so that the API writes."""

        async def done() -> bool:
            async with self.database.pool.acquire() as connection:
                return await is_compared(connection)

        await self.until(done)

    def reached(self, point: str) -> bool:
        return (self.folder / f"{point}.reached").exists()
