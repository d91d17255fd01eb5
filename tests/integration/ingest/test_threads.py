"""The beginning of a thread is read page by page, for as long as jobs are kept: on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest

from chassis.database import Database
from chassis.metrics import REGISTRY
from chassis.migrations import migrate
from contracts.chat import Channel
from contracts.chat_profiles_v1 import PersonProfile
from contracts.chat_requests_v1 import ReadThread
from services.ingest.bootstrap import FOLDERS
from services.ingest.reading import SCHEMA
from services.ingest.worker import jobs, wishes
from services.ingest.worker.run import JobLoop
from services.ingest.worker.slack_reads import Gone, Later, Page, Refused, SlackReads, StaleCursor
from tests.integration.ingest.imagined_slack import HELP, ImaginedSlack

ROOT = "1000.000000"


class Slack(ImaginedSlack):
    """Its pages are of one thread."""

    async def replies(self, _channel: Channel, thread: str, cursor: str | None) -> Page:
        assert thread == ROOT
        return self.page(cursor)


class Worker:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.slack = Slack()
        self.loop = JobLoop(database, cast("SlackReads", self.slack), None)

    async def asked(self) -> None:
        before = datetime.fromtimestamp(1900, UTC)
        request = ReadThread(request_id="r1", channel=HELP, thread=ROOT, before=before)
        async with self.database.transaction() as connection:
            await jobs.add(connection, wishes.wanted(request))

    async def turns(self, *pages: Page | Exception) -> None:
        """A turn of the loop for each page: the job is due again."""
        self.slack.pages = list(pages)
        for _ in pages:
            await self.database.pool.execute("UPDATE jobs SET due_at = now()")
            assert await self.loop._turn()
        assert not self.slack.pages

    async def published(self) -> list[str]:
        rows = await self.database.pool.fetch("SELECT payload FROM outbox ORDER BY id")
        return [orjson.loads(row["payload"])["text"] for row in rows]

    async def waiting(self) -> int:
        return int(await self.database.pool.fetchval("SELECT count(*) FROM jobs"))


def says(at: int) -> dict[str, Any]:
    return {"type": "message", "user": "U1", "text": f"at {at}", "ts": f"{at}.000000", "thread_ts": ROOT}


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[Worker]:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    database = await Database.connect(database_url, schema=SCHEMA, process="test")
    yield Worker(database)
    await database.close()


async def test_a_thread_is_not_given_up_while_slack_fails_but_when_it_is_gone(worker: Worker) -> None:
    await worker.asked()
    await worker.turns(*[Later("HTTP 503")] * (jobs.ATTEMPTS + 2))
    assert await worker.waiting() == 1
    await worker.turns(Gone("channel_not_found"))
    assert (await worker.waiting(), await worker.published()) == (0, [])


async def test_a_thread_that_we_are_refused_is_given_up(worker: Worker) -> None:
    await worker.asked()
    await worker.turns(*[Refused("missing_scope")] * (jobs.ATTEMPTS - 1))
    assert await worker.waiting() == 1
    await worker.turns(Refused("missing_scope"))
    assert await worker.waiting() == 0


async def test_only_refusals_in_a_row_give_a_thread_up(worker: Worker) -> None:
    """However often anything else failed before; Slack's limit says nothing about what we may read."""
    refused, away, limit = Refused("missing_scope"), Later("HTTP 503"), Later("rate limited", 30)
    most = [refused] * (jobs.ATTEMPTS - 1)
    await worker.asked()
    await worker.turns(*[away] * (jobs.ATTEMPTS + 2), *most, away, *most)
    await worker.turns(Page([says(1000)], "2"), *most, StaleCursor("x"), *most, limit)
    assert (await worker.waiting(), await worker.published()) == (1, ["at 1000"])
    await worker.turns(refused)
    assert (await worker.waiting(), set(worker.slack.cursors)) == (0, {None, "2"})


async def test_without_a_token_a_thread_is_given_up(worker: Worker) -> None:
    await worker.asked()
    worker.loop = JobLoop(worker.database, None, None)
    for attempt in range(jobs.ATTEMPTS):
        assert await worker.waiting() == 1, attempt
        await worker.database.pool.execute("UPDATE jobs SET due_at = now()")
        assert await worker.loop._turn()
    assert await worker.waiting() == 0


@pytest.mark.parametrize("error", [Refused("missing_scope"), StaleCursor("users.conversations")])
async def test_a_gap_that_can_not_be_read_is_tried_on_and_counted_each_time(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """From the eighth time on; also by a worker that was started later."""

    def unreadable() -> float:
        return REGISTRY.get_sample_value("okno_gaps_total", {"platform": "slack", "outcome": "unreadable"}) or 0.0

    async def refused(_: jobs.Job) -> None:
        raise error

    before = unreadable()
    monkeypatch.setattr(JobLoop, "_read_history", lambda _, job: refused(job))
    async with worker.database.transaction() as connection:
        await jobs.add(connection, [jobs.Job("g", wishes.GAP, {})])
    counted = []
    for attempt in range(jobs.ATTEMPTS + 2):
        if attempt == jobs.ATTEMPTS:
            worker.loop = JobLoop(worker.database, cast("SlackReads", worker.slack), None)
        await worker.database.pool.execute("UPDATE jobs SET due_at = now()")
        assert await worker.loop._turn()
        counted.append(unreadable() - before)
    assert (counted[-4:], await worker.waiting()) == ([0, 1, 2, 3], 1)


async def test_after_a_limit_the_page_that_was_next_is_read(worker: Worker) -> None:
    await worker.asked()
    limit = Later("rate limited", 30)
    await worker.turns(Page([says(1000), says(1001)], "2"), limit, Page([says(1500), says(1900)], "3"), limit)
    assert await worker.published() == ["at 1000", "at 1001", "at 1500"]
    await worker.turns(Page([says(1950)], None))
    assert worker.slack.cursors == [None, "2", "2", "3", "3"]
    assert (await worker.waiting(), len(await worker.published())) == (0, 3)


async def test_a_job_that_ends_counts_as_a_turn_while_others_are_under_way(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer together than the limit, none of them is stuck."""
    others = asyncio.Event()

    async def replies(*_: object) -> Page:
        worker.loop._last_turn -= 100
        return Page([], None)

    async def person(_: str) -> PersonProfile:
        await others.wait()
        raise Gone("user_not_found")

    monkeypatch.setattr(worker.slack, "replies", replies)
    monkeypatch.setattr(worker.slack, "person", person, raising=False)
    await worker.asked()
    async with worker.database.transaction() as connection:
        await jobs.add(connection, [jobs.Job("p", wishes.PERSON, {"key": "slack:U1"})])
    turn = asyncio.create_task(worker.loop._turn())
    async with asyncio.timeout(10):
        while await worker.waiting() > 1 or worker.loop.last_turn_age() > 50:
            await asyncio.sleep(0.01)
        others.set()
        assert await turn


async def test_a_cursor_that_slack_has_forgotten_begins_the_thread_anew(worker: Worker) -> None:
    await worker.asked()
    await worker.turns(Page([says(1000)], "2"), StaleCursor("conversations.replies"), Page([says(1000)], None))
    assert (worker.slack.cursors, await worker.waiting()) == ([None, "2", None], 0)


async def test_a_cursor_that_slack_forgets_each_time_is_asked_for_ever_more_seldom(worker: Worker) -> None:
    """Though the first page can be read in between; a refused step lies a pause ahead, and doesn't fill a turn."""
    await worker.asked()
    pauses = []
    for _ in range(12):
        await worker.turns(Page([says(1000)], "2"), StaleCursor("conversations.replies"))
        pauses.append(await worker.database.pool.fetchval("SELECT extract(epoch FROM due_at - now())::float FROM jobs"))
        assert not await worker.loop._turn()
    assert pauses[6] > 64
    assert jobs.LONGEST_PAUSE_SECONDS >= pauses[-1] > jobs.LONGEST_PAUSE_SECONDS / 2
    assert worker.slack.cursors == [None, "2"] * 12


async def test_one_odd_message_hides_no_other(worker: Worker) -> None:
    await worker.asked()
    await worker.turns(Page([says(1000), {**says(1001), "files": 7}, {"ts": "odd"}, says(1002)], None))
    assert (await worker.published(), await worker.waiting()) == (["at 1000", "at 1002"], 0)
