"""The two sides: how the processes of each are started and stopped, where their load goes, and where its rows appear.
Only one side's processes run at a time, on the same Kafka and PostgreSQL.
"""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench import webhooks
from bench.floor.common import CHANGES, COMMANDS, EVENTS, PARTITIONS
from chassis.migrations import CHASSIS, migrate
from contracts.topics import TOPIC_MAX_MESSAGE_BYTES
from sandbox.stack.environment import base_environment
from sandbox.stack.info import StackInfo
from sandbox.stack.paths import ROOT
from sandbox.stack.ports import free_port
from sandbox.stack.process import Launch, RunningProcess, start, until_ready
from sandbox.stack.stack import Stack

_KNOWN = """
INSERT INTO ingest.profiles (key, digest) SELECT key, 'known' FROM unnest($1::text[]) AS r(key)
ON CONFLICT DO NOTHING"""

SERVERS = ("kafka", "postgres")
STAND_INS = ("sandbox",)
"""Runs beside Okno, plays the platforms and isn't part of it."""


class Side(ABC):
    """`schemas` are all of its schemas, `visible` the one where a ticket's messages can be read."""

    name: str
    schemas: tuple[str, ...]
    visible: str
    events_url: str

    @abstractmethod
    async def start(self) -> None:
        """Start its processes and wait until they are ready."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop its processes, in order."""

    @abstractmethod
    def pids(self) -> dict[str, int]:
        """Its processes by name."""


class OknoSide(Side):
    """Every process of Okno as `make up` starts them, traces sampled and exported, metrics on."""

    name = "okno"
    schemas = ("ingest", "router", "ticketing", "notifier")
    visible = "ticketing"

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._names = [name for name in stack.info.processes if name not in SERVERS]
        self.events_url = stack.info.slack.events_url

    async def prepare(self, database: asyncpg.Connection[asyncpg.Record]) -> None:
        """The everyday state: people and channels are known, nobody has to be asked for on a platform."""
        keys = [f"slack:{one}" for one in (*webhooks.all_channels(), *webhooks.all_authors())]
        await database.execute(_KNOWN, keys)

    async def start(self) -> None:
        await asyncio.gather(*(self._stack.start_process(name) for name in self._names))

    async def stop(self) -> None:
        await asyncio.gather(*(self._stack.stop_process(name) for name in self._names))

    def pids(self) -> dict[str, int]:
        return {name: self._stack.process(name).pid for name in self._names}


class FloorSide(Side):
    """Three processes of bench/floor."""

    name = "floor"
    schemas = ("floor_router", "floor_ticketing")
    visible = "floor_ticketing"

    def __init__(self, info: StackInfo, state: Path) -> None:
        self._port = free_port()
        self.events_url = f"http://127.0.0.1:{self._port}/slack/events"
        self._state = state
        self._env = {
            **base_environment(),
            "DATABASE_URL": info.postgres.dsn,
            "KAFKA_BOOTSTRAP_SERVERS": info.kafka.bootstrap_servers,
            "SLACK_SIGNING_SECRET": info.slack.signing_secret,
            "HTTP_PORT": str(self._port),
        }
        self._running: dict[str, RunningProcess] = {}

    async def prepare(self) -> None:
        """Topics, and the tables: made by Okno's own migrations, so that rows and indexes are the same."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._env["KAFKA_BOOTSTRAP_SERVERS"])
        await admin.start()
        config = {"max.message.bytes": str(TOPIC_MAX_MESSAGE_BYTES), "min.insync.replicas": "1"}
        await admin.create_topics(
            [NewTopic(name, PARTITIONS, 1, topic_configs=config) for name in (EVENTS, COMMANDS, CHANGES)]
        )
        await admin.close()
        for service in ("router", "ticketing"):
            folders = [CHASSIS, (service, ROOT / "services" / service / "migrations")]
            await migrate(self._env["DATABASE_URL"], schema=f"floor_{service}", folders=folders)

    async def start(self) -> None:
        await asyncio.gather(*(self._start(part) for part in ("ingest", "router", "ticketing")))

    async def _start(self, part: str) -> None:
        name = f"floor-{part}"
        ready = self._state / "run" / f"{name}.ready"
        ready.unlink(missing_ok=True)
        env = {**self._env, "READY_FILE": str(ready)}
        command = [sys.executable, "-m", f"bench.floor.{part}"]
        process = start(Launch(name, command, env, ROOT, self._state / "logs" / f"{name}.log"))
        self._running[name] = process

        async def is_ready() -> bool:
            return ready.exists() and (part != "ingest" or await _listens(self._port))

        await until_ready(process, is_ready, seconds=30)

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop(patience=10) for process in self._running.values()))

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._running.items()}


def server_pids(stack: Stack) -> Mapping[str, int]:
    return {name: stack.process(name).pid for name in SERVERS}


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
