"""A receiver that is killed in an outage has left it to the worker: on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from aiohttp import ClientSession

from chassis.database import Database
from chassis.migrations import migrate
from contracts.keys import Platform
from sandbox.stack.kafka.server import EmbeddedKafka
from services.ingest import outages
from services.ingest.bootstrap import FOLDERS
from services.ingest.catch_up import MARGIN_SECONDS, CatchUp
from services.ingest.outages import Outages
from services.ingest.reading import SCHEMA
from services.ingest.worker import heard, jobs, readings
from services.ingest.worker.backfill import Backfill
from services.ingest.worker.run import JobLoop
from services.ingest.worker.slack_reads import SlackReads
from tests.integration.ingest.imagined_slack import HELP
from tests.integration.ingest.support import Log, Platforms, running
from tests.integration.ingest.test_gaps import Slack, post
from tests.integration.ingest.test_kafka_away import Customers, hanging
from tests.integration.ingest.test_slack import secrets

MINUTE = timedelta(minutes=1)


class Kafka:
    """Stands for a producer whose requests are taken."""

    async def send_and_wait(self, *_: Any, **__: Any) -> None:
        pass


class Receiver:
    """One run of a receiver, with a clock of the test's own."""

    def __init__(self, database: Database, *, name: str = "ingest-slack") -> None:
        self.at = datetime.now(UTC)
        producer: Any = Kafka()
        self.catch_up = CatchUp(producer, Platform.SLACK, process=name, after=300, now=self._now)
        self.outages = Outages(database, self.catch_up, process=name)
        self._tasks: list[asyncio.Task[None]] = []

    def _now(self) -> float:
        return self.at.timestamp()

    def run(self) -> None:
        self._tasks = [asyncio.create_task(loop) for loop in (self.catch_up.run(), self.outages.run())]

    async def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Worker:
    """The worker's loop, one turn at a time."""

    def __init__(self, database: Database) -> None:
        slack = cast("SlackReads", Slack())
        backfill = Backfill(database, slack, after=5 * MINUTE, look_back=timedelta(days=7))
        self.database = database
        self._loop = JobLoop(database, slack, None, backfill=backfill)

    async def turn(self) -> None:
        await self._loop._turn()

    async def reads_since(self) -> datetime | None:
        async with self.database.transaction() as connection:
            reading = await readings.load(connection, HELP.key)
        return None if reading is None else reading.since


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    database = await Database.connect(database_url, schema=SCHEMA, process="test")
    yield database
    await database.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writings follow each other."""
    monkeypatch.setattr(outages, "PAUSE_SECONDS", 0)


async def noted(database: Database, count: int) -> None:
    """Returns once so many outages stand there."""
    async with asyncio.timeout(20):
        while await database.pool.fetchval("SELECT count(*) FROM outages WHERE outage_id LIKE '%:outage'") != count:
            await asyncio.sleep(0.01)


async def silence(database: Database) -> None:
    """Receivers have moved their rows no more for long enough."""
    await database.pool.execute("UPDATE outages SET seen_at = seen_at - interval '1 hour'")


@pytest.mark.usefixtures("at_once")
async def test_the_outage_of_one_partition_is_read_though_its_receiver_was_killed_and_another_one_heard(
    database: Database,
) -> None:
    receiver, worker = Receiver(database), Worker(database)
    receiver.run()
    receiver.catch_up.fail(["chat.events.v1/3"])
    await noted(database, 1)
    await receiver.kill()
    async with database.transaction() as connection:
        await heard.note(connection, [post(datetime.now(UTC))])  # the other partitions were fine all the time
    Receiver(database)  # the next run has nothing to do with it
    await worker.turn()
    assert await worker.reads_since() is None  # it may live
    await silence(database)
    await worker.turn()
    assert await worker.reads_since() == receiver.at - timedelta(seconds=MARGIN_SECONDS)
    await noted(database, 0)


@pytest.mark.usefixtures("at_once")
async def test_an_outage_is_noted_until_kafka_has_its_request(database: Database) -> None:
    receiver = Receiver(database)
    receiver.catch_up.fail(["chat.events.v1/3"])
    receiver.at += 6 * MINUTE
    receiver.catch_up.work(["chat.events.v1/3"])
    await receiver.outages._write()
    await noted(database, 1)
    receiver.run()
    await noted(database, 0)
    await receiver.kill()


@pytest.mark.usefixtures("at_once")
async def test_two_receivers_of_one_name_keep_an_outage_each(database: Database) -> None:
    one, other = Receiver(database), Receiver(database)
    for receiver in (one, other):
        receiver.run()
        receiver.catch_up.fail(["chat.events.v1/3"])
    await noted(database, 2)
    one.catch_up.work(["chat.events.v1/3"])
    await noted(database, 1)
    await one.kill()
    await other.kill()


async def test_an_outage_stays_noted_until_its_job_is(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, worker = Receiver(database), Worker(database)
    receiver.catch_up.fail(["chat.events.v1/3"])
    await receiver.outages._write()
    await silence(database)

    async def breaks(*_: Any) -> None:
        raise ConnectionError("killed")

    monkeypatch.setattr(jobs, "take", breaks)
    with pytest.raises(ConnectionError):
        await worker.turn()
    await noted(database, 1)
    assert await database.pool.fetchval("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("state", ["absent", "forbidden", "not migrated"])
async def test_without_a_database_an_outage_is_noted_as_soon_as_there_is_one(
    database: Database, database_url: str, state: str
) -> None:
    broken = {
        "absent": "ALTER SCHEMA ingest RENAME TO elsewhere",
        "forbidden": "REVOKE ALL ON outages FROM noter",
        "not migrated": "ALTER TABLE outages RENAME TO elsewhere",
    }
    mended = {
        "absent": "ALTER SCHEMA elsewhere RENAME TO ingest",
        "forbidden": "GRANT SELECT, INSERT, UPDATE, DELETE ON outages TO noter",
        "not migrated": "ALTER TABLE elsewhere RENAME TO outages",
    }
    await database.pool.execute(
        "CREATE ROLE noter; GRANT USAGE ON SCHEMA ingest TO noter;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON outages TO noter"
    )
    its = await Database.connect(
        database_url, schema=SCHEMA, process="test", min_size=0, max_size=1, settings={"role": "noter"}
    )
    try:
        receiver = Receiver(its)
        receiver.catch_up.fail(["chat.events.v1/3"])
        await database.pool.execute(broken[state])
        assert await receiver.outages._write()
        await database.pool.execute(mended[state])
        assert await receiver.outages._write()
        await noted(database, 1)
    finally:
        await its.close()
        await database.pool.execute("DROP OWNED BY noter; DROP ROLE noter")


@pytest.mark.timeout(120)
async def test_a_receiver_that_is_killed_after_a_refusal_has_noted_it(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database: Database, database_url: str
) -> None:
    """As it runs in production, with kill -9."""
    del log  # its topics are there
    settings = {**secrets(platforms), "DATABASE_URL": database_url}
    async with running("ingest-slack", kafka, **settings) as ingest, ClientSession() as http:
        customers = Customers(platforms, ingest, http)
        async with hanging(kafka):
            assert await customers.post() == 503
            await noted(database, 1)
            ingest.process.kill()
            await ingest.process.wait()
    await silence(database)
    await Worker(database).turn()
    assert await database.pool.fetchval("SELECT count(*) FROM readings") == 1
