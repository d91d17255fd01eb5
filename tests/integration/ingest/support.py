"""ingest's processes as they run in production, against the simulated platforms and a real Kafka."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from contracts.codec import Envelope, decode
from sandbox import slack, telegram
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.ports import free_port
from tests import topic_reader

ROOT = Path(__file__).parents[3]
SECONDS = 30.0


@dataclass
class Platforms:
    """Both simulations on one server."""

    slack: slack.Simulation
    telegram: telegram.Simulation
    url: str

    @property
    def slack_api(self) -> str:
        return f"{self.url}/slack/api/"

    @property
    def telegram_api(self) -> str:
        return f"{self.url}/telegram"

    async def act(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Act as a person through a control API: `await act("POST", "/slack/messages", {...})`."""
        async with (
            ClientSession() as session,
            session.request(method, f"{self.url}/control{path}", json=body) as answer,
        ):
            assert answer.status < 300, await answer.text()
            return dict(await answer.json())


@dataclass
class Running:
    """A process of Okno and where it listens."""

    process: asyncio.subprocess.Process
    url: str


@asynccontextmanager
async def running(kind: str, kafka: EmbeddedKafka, **env: str) -> AsyncIterator[Running]:
    """`okno run <kind>`, ready; killed at the end if it still runs."""
    http, probe = free_port(), free_port()
    given = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HTTP_PORT": str(http),
        "PROBE_PORT": str(probe),
        **env,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "cli", "run", kind, cwd=ROOT, env=given)
    try:
        await _ready(process, f"http://127.0.0.1:{probe}/readyz")
        yield Running(process, f"http://127.0.0.1:{http}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _ready(process: asyncio.subprocess.Process, url: str) -> None:
    async with ClientSession() as session, asyncio.timeout(SECONDS):
        while True:
            assert process.returncode is None, f"it ended with code {process.returncode}"
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except OSError:
                pass
            await asyncio.sleep(0.05)


class Log:
    """What stands in a topic, from its beginning."""

    def __init__(self, kafka: EmbeddedKafka) -> None:
        self._kafka = kafka

    async def records(self, topic: str) -> list[Any]:
        """Every raw record now in the topic."""
        return await topic_reader.records(self._kafka.bootstrap_servers, topic)

    async def events(self, topic: str) -> list[Envelope[Any]]:
        return [decode(topic, r.headers, r.value) for r in await self.records(topic) if r.value is not None]

    async def until(self, topic: str, enough: Callable[[list[Envelope[Any]]], bool]) -> list[Envelope[Any]]:
        """The topic's events once they are enough; fails when they never are."""
        async with asyncio.timeout(SECONDS):
            while True:
                events = await self.events(topic)
                if enough(events):
                    return events
                await asyncio.sleep(0.02)
