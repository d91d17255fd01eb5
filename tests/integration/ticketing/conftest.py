"""Ticketing on a real PostgreSQL: commands are applied as the worker does, the API is asked in-process."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from chassis import compared
from chassis.clock import ManualClock
from chassis.database import Database
from chassis.migrations import migrate
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres.server import EmbeddedPostgres
from services.ticketing import tokens
from services.ticketing.api.app import create_app
from services.ticketing.bootstrap import MIGRATIONS, SCHEMA
from services.ticketing.tokens import Scope
from tests.integration.ticketing.desk import NOW, Desk
from tests.integration.ticketing.processes import Processes
from tests.integration.ticketing.running_api import Api, running_api


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await migrate(database_url, schema=SCHEMA, folders=MIGRATIONS)
    database = await Database.connect(database_url, schema=SCHEMA, process="test", max_size=8)
    yield database
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def desk(database: Database, clock: ManualClock) -> AsyncIterator[Desk]:
    async with database.transaction() as connection:
        await compared.mark(connection, await compared.this_database(connection))
        created = await tokens.create(connection, "tests", scope=Scope.ADMIN)
    transport = httpx.ASGITransport(app=create_app(database, clock), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {created.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://okno", headers=headers) as client:
        yield Desk(database, clock, client)


@pytest.fixture(scope="module")
def api(postgres: EmbeddedPostgres) -> Iterator[Api]:
    """A process of its own; what one test writes, the next one finds."""
    with running_api(postgres) as running:
        yield running


@pytest.fixture
async def processes(
    database_url: str, database: Database, kafka: EmbeddedKafka, registry_topics: None, tmp_path: Path
) -> AsyncIterator[Processes]:
    """Workers and APIs to be started; what runs at the end is ended."""
    running = Processes(database_url, kafka.bootstrap_servers, tmp_path, database)
    yield running
    await running.end()
