"""What ingest's worker forgets in time."""

from datetime import UTC, datetime, timedelta

from chassis.clock import ManualClock
from chassis.database import Database
from chassis.migrations import migrate
from chassis.pruning import Pruner
from chassis.settings import read
from contracts.chat import Author, Channel, ChannelType
from contracts.chat_events_v1 import MessagePosted
from contracts.keys import Platform, message_key, slack_channel, slack_person
from services.ingest.bootstrap import FOLDERS
from services.ingest.reading import SCHEMA
from services.ingest.settings import IngestWorkerSettings
from services.ingest.worker import heard, jobs, known, retention
from services.ingest.worker.jobs import Job

ENVIRONMENT = {"DATABASE_URL": "postgresql://x@y/z", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}


async def test_jobs_and_what_was_published_go_with_their_age(database_url: str) -> None:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    database = await Database.connect(database_url, schema=SCHEMA, process="test")
    rules = retention.rules(read(IngestWorkerSettings, ENVIRONMENT), {"ingest-worker": ["chat.events.v1"]})

    async def prune(days: float) -> dict[str, int]:
        clock = ManualClock(datetime.now(UTC) + timedelta(days=days))
        removed = await Pruner(database, rules, clock=clock).prune()
        return {name: number for name, number in removed.items() if number}

    async with database.transaction() as connection:
        await jobs.add(connection, [Job("slack_person:slack:U1", "slack_person", {"key": "slack:U1"})])
        assert await jobs.remember(connection, "slack:U1", "digest", datetime.now(UTC))
        await jobs.postpone(connection, Job("slack_person:slack:U1", "slack_person", {}), 86400.0 * 30)
    assert await prune(6.9) == {}
    assert await prune(7.1) == {"jobs": 1}
    async with database.transaction() as connection:
        assert not await jobs.remember(connection, "slack:U1", "digest", datetime.now(UTC)), (
            "unchanged: not published again"
        )
    async with database.transaction() as connection:
        await jobs.add(connection, [Job("slack_history:slack:C1", "slack_history", {"channel_key": "slack:C1"})])
    assert await prune(91) == {"profiles": 1}, "history is read for as long as it takes"
    async with database.transaction() as connection:
        assert await jobs.remember(connection, "slack:U1", "digest", datetime.now(UTC))
    await database.close()


async def test_what_no_gap_needs_any_more_goes_but_not_the_minute_of_the_installation(database_url: str) -> None:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    database = await Database.connect(database_url, schema=SCHEMA, process="test")
    rules = retention.rules(read(IngestWorkerSettings, ENVIRONMENT), {"ingest-worker": ["chat.events.v1"]})
    now = datetime.now(UTC)
    heard_days = [90, 60, 31, 29, 15, 13]
    async with database.transaction() as connection:
        posts = [_post(now - timedelta(days=days)) for days in heard_days]
        await heard.note(connection, posts)
        await known.note(connection, posts)
    await Pruner(database, rules, portion=1).prune()
    minutes = await database.pool.fetch("SELECT minute FROM heard ORDER BY minute")
    assert [round((now - row["minute"]) / timedelta(days=1)) for row in minutes] == [90, 29, 15, 13]
    assert await database.pool.fetchval("SELECT count(*) FROM messages") == 1, "two weeks by default"
    await database.close()


def _post(at: datetime) -> MessagePosted:
    channel = Channel(key=slack_channel("C1"), platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC)
    return MessagePosted(
        channel=channel,
        occurred_at=at,
        received_at=at,
        message_key=message_key(channel.key, f"{at.timestamp():.6f}"),
        author=Author(key=slack_person("U1")),
        text="hi",
    )
