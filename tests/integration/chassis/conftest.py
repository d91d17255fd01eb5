from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.database import Database
from chassis.migrations import CHASSIS, migrate
from chassis.settings import KafkaSettings
from sandbox.stack.kafka.server import EmbeddedKafka
from tests.integration.chassis.world import TABLE, Service, World


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The schema `app` with the chassis's tables and one to note what was handled."""
    await migrate(database_url, schema="app", folders=[CHASSIS])
    database = await Database.connect(database_url, schema="app", process="test")
    await database.pool.execute(TABLE)
    yield database
    await database.close()


@pytest.fixture
async def world(
    kafka: EmbeddedKafka,
    database_url: str,
    database: Database,
    topic: Any,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> World:
    """One topic to consume and one to publish on; more partitions by `parametrize("world", [3], indirect=True)`."""
    partitions = getattr(request, "param", 1)
    incoming, outgoing = await topic("in", partitions=partitions), await topic("out", partitions=partitions)
    settings = KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    return World(
        settings, database_url, database, incoming, outgoing, consumer=f"app.{incoming}", faults=tmp_path / "faults"
    )


@pytest.fixture
async def services(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Service]]:
    """Processes that the test started; none outlives it."""
    started: list[Service] = []
    start = World.start

    async def remembered(self: World, *args: Any, **options: Any) -> Service:
        service = await start(self, *args, **options)
        started.append(service)
        return service

    monkeypatch.setattr(World, "start", remembered)
    yield started
    for service in started:
        await service.kill()
