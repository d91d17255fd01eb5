"""Since when a platform wasn't heard, and which reading that begins: on a real PostgreSQL, with an imagined Slack."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy
from typing import Any, cast

import pytest

from chassis import metrics
from chassis.database import Database
from chassis.migrations import migrate
from contracts.chat import Author, Channel, ChannelType
from contracts.chat_events_v1 import ChannelMoved, MessageEdited, MessagePosted
from contracts.chat_requests_v1 import ReadHistory
from contracts.keys import Platform, message_key, slack_channel, slack_person, telegram_channel
from services.ingest.bootstrap import FOLDERS
from services.ingest.reading import SCHEMA
from services.ingest.worker import heard, jobs, known, readings, wishes
from services.ingest.worker.backfill import RETRIES_END, Backfill
from services.ingest.worker.history import Thread
from services.ingest.worker.jobs import Job
from services.ingest.worker.slack_reads import Gone, Page, SlackReads, StaleCursor
from tests.integration.ingest.imagined_slack import HELP, ImaginedSlack

NOW = datetime(2026, 5, 21, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LOOK_BACK = timedelta(days=7)
DIALOG = Channel(key=telegram_channel(7, 5), platform=Platform.TELEGRAM, workspace="7", type=ChannelType.DIALOG)


class Slack(ImaginedSlack):
    """Its pages are of the channel's history."""

    async def channels(self) -> list[Channel]:
        return [HELP]

    async def history(self, _channel: Channel, _oldest: datetime, cursor: str | None) -> Page:
        return self.page(cursor)


class Worker:
    """The worker's tables, and its backfill with five minutes as the shortest gap."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.slack = Slack()
        self.backfill = Backfill(database, cast("SlackReads", self.slack), after=5 * MINUTE, look_back=LOOK_BACK)

    async def hears(self, *minutes_ago: float, channel: Channel = HELP, backfilled: bool = False) -> None:
        events = [post(NOW - ago * MINUTE, channel, backfilled=backfilled) for ago in minutes_ago]
        async with self.database.transaction() as connection:
            await heard.note(connection, events)
            await known.note(connection, events)

    async def asked(self, platform: Platform = Platform.SLACK, **fields: Any) -> None:
        request = ReadHistory(platform=platform, requested_at=NOW, **fields)
        job = Job(request.record_id, wishes.GAP, request.model_dump(mode="json", exclude_none=True))
        async with self.database.transaction() as connection:
            await jobs.add(connection, [job])
        await self.backfill.gap(job)

    async def reading(self) -> readings.Reading | None:
        async with self.database.transaction() as connection:
            return await readings.load(connection, HELP.key)

    async def since(self) -> datetime | None:
        reading = await self.reading()
        return None if reading is None else reading.since

    async def steps(self) -> None:
        """One step of the channel's job."""
        await self.database.pool.execute("UPDATE jobs SET due_at = now()")
        async with self.database.transaction() as connection:
            (job,) = await jobs.take(connection, 1)
        await self.backfill.step(job)


def post(at: datetime, channel: Channel = HELP, *, backfilled: bool = False) -> MessagePosted:
    return MessagePosted(
        channel=channel,
        occurred_at=at,
        received_at=at,
        message_key=message_key(channel.key, f"{at.timestamp():.6f}"),
        author=Author(key=slack_person("U1")),
        text="hi",
        backfilled=backfilled,
    )


def message(minutes_ago: float) -> dict[str, Any]:
    return {"type": "message", "user": "U1", "text": "hi", "ts": f"{(NOW - minutes_ago * MINUTE).timestamp():.6f}"}


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[Worker]:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    database = await Database.connect(database_url, schema=SCHEMA, process="test")
    yield Worker(database)
    await database.close()


async def test_a_start_after_a_gap_reads_from_the_last_live_event_on_less_the_missed_retries(worker: Worker) -> None:
    await worker.hears(500, 60.5, 60.2)
    await worker.hears(1, backfilled=True)
    await worker.hears(-1)  # heard after the start
    await worker.asked(only_after_gap=True)
    assert await worker.since() == NOW - 60.2 * MINUTE - RETRIES_END
    reading = await worker.reading()
    assert reading is not None
    assert reading.oldest == reading.since - LOOK_BACK


async def test_a_start_without_a_gap_reads_nothing_nor_does_the_first_of_all(worker: Worker) -> None:
    await worker.asked(only_after_gap=True)
    await worker.asked()
    await worker.hears(500, 4)
    await worker.asked(only_after_gap=True)
    assert await worker.reading() is None


async def test_nothing_older_than_the_first_event_of_all_is_asked_for(worker: Worker) -> None:
    await worker.hears(60, 58)
    await worker.asked(only_after_gap=True)
    assert await worker.since() == NOW - 60 * MINUTE


@pytest.mark.parametrize(
    ("heard_minutes_ago", "since_minutes_ago"),
    [
        ([3030, 2998, 500, 498, 300, 4, 2, 1], 2998),  # the silence that ended 500 minutes ago
        ([9000, 8000, 7998, 5000, *range(4998, 0, -4)], 7998),  # none ended within a day: the latest
    ],
)
async def test_an_operator_without_a_time_means_every_gap_of_the_last_day_or_the_latest(
    worker: Worker, heard_minutes_ago: list[float], since_minutes_ago: float
) -> None:
    await worker.hears(*heard_minutes_ago)
    await worker.asked()
    assert await worker.since() == NOW - since_minutes_ago * MINUTE - RETRIES_END


async def test_a_second_request_begins_the_reading_anew_with_the_earlier_time(worker: Worker) -> None:
    early, late = NOW - 90 * MINUTE, NOW - 30 * MINUTE
    await worker.asked(since=late)
    worker.slack.pages = [Page([message(20)], "more")]
    await worker.steps()
    before = await worker.reading()
    assert before is not None
    assert before.cursor == "more"
    await worker.asked(since=early, channel=None)
    after = await worker.reading()
    assert after is not None
    assert (after.since, after.cursor, after.number > before.number) == (early, None, True)
    worker.slack.pages = [Page([message(60)], None)]
    await worker.steps()
    assert worker.slack.cursors == [None, None]


async def test_a_reading_that_begins_anew_reads_its_threads_from_their_beginning(worker: Worker) -> None:
    await worker.asked(since=NOW - 30 * MINUTE)
    reading = await worker.reading()
    assert reading is not None
    async with worker.database.transaction() as connection:
        await readings.add_threads(connection, reading, [Thread("1.000000", urgent=True)])
        thread = await readings.next_thread(connection, reading)
        assert thread is not None
        await readings.move_thread(connection, reading, thread, "page 2")
    await worker.asked(since=NOW - 30 * MINUTE)
    async with worker.database.transaction() as connection:
        assert await readings.next_thread(connection, reading) is None


async def test_what_is_being_noted_while_a_page_is_compared_is_not_missing_afterwards(worker: Worker) -> None:
    live = post(NOW - 10 * MINUTE)
    noting = worker.database.transaction()
    connection = await noting.__aenter__()
    await known.note(connection, [live])  # noted before the reading begins, and not committed yet
    await worker.asked(since=NOW - 30 * MINUTE)
    worker.slack.pages = [Page([message(10)], None)]
    step = asyncio.create_task(worker.steps())
    async with asyncio.timeout(10):
        while not await worker.database.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)
    await noting.__aexit__(None, None, None)
    await step
    reading = await worker.reading()
    assert reading is not None
    async with worker.database.transaction() as connection:
        assert await known.roots_not_shown(connection, HELP.key, reading.number, reading.started_at, 0) == []


def edit(at: datetime, text: str) -> MessageEdited:
    told = post(at)
    return MessageEdited(
        channel=HELP,
        occurred_at=NOW,
        received_at=NOW,
        message_key=told.message_key,
        author=told.author,
        text=text,
    )


async def test_a_post_that_was_missed_is_found_also_when_its_edit_was_heard(worker: Worker) -> None:
    at, heard_at = NOW - 10 * MINUTE, NOW - 5 * MINUTE
    edits = [edit(at, "hello"), edit(heard_at, "hello")]
    async with worker.database.transaction() as connection:
        await known.note(connection, [edits[0]])
        await known.note(connection, [post(heard_at)])
        await known.note(connection, [edits[1]])
    await worker.asked(since=NOW - 30 * MINUTE)
    edited = {"text": "hello", "edited": {"user": "U1", "ts": f"{NOW.timestamp():.6f}"}}
    worker.slack.pages = [Page([{**message(5), **edited}, {**message(10), **edited}], None)]
    await worker.steps()
    assert await found(worker) == [10]


NOTED_BY_0006 = "INSERT INTO messages (channel_key, ordinal, content) VALUES ($1, $2, 'x')"


async def test_what_was_noted_before_the_upgrade_was_posted_and_what_beside_it_is_published_again(
    database_url: str, tmp_path: Path
) -> None:
    (chassis, (_, folder)) = FOLDERS
    for file in sorted(folder.glob("*.sql"))[:6]:
        copy(file, tmp_path)
    await migrate(database_url, schema=SCHEMA, folders=(chassis, (SCHEMA, tmp_path)))
    database = await Database.connect(database_url, schema=SCHEMA, process="test")
    before, beside = NOW - 10 * MINUTE, NOW - 5 * MINUTE
    try:
        await database.pool.execute(NOTED_BY_0006, HELP.key, known.ordinal_at(before))
        await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
        await database.pool.execute(NOTED_BY_0006, HELP.key, known.ordinal_at(beside))
        async with database.transaction() as connection:
            await known.note(connection, [edit(before, "better")])
            keys = [post(at).message_key for at in (before, beside)]
            shown = await known.shown(connection, HELP.key, keys, 1)
        assert [shown[key].posted for key in keys] == [True, False]
    finally:
        await database.close()


async def test_a_publication_that_another_worker_has_done_meanwhile_ends_nothing(worker: Worker) -> None:
    await worker.asked(since=NOW - 30 * MINUTE)
    reading = await worker.reading()
    assert reading is not None
    async with worker.database.transaction() as connection:
        assert await readings.held(connection, reading)
        await readings.count(connection, reading, 1, 0, 0)
    async with worker.database.transaction() as connection:
        assert not await readings.held(connection, reading)
        assert await readings.end(connection, reading) is None


async def test_a_step_that_another_worker_has_done_meanwhile_is_dropped(worker: Worker) -> None:
    await worker.asked(since=NOW - 30 * MINUTE)
    reading = await worker.reading()
    assert reading is not None
    async with worker.database.transaction() as connection:
        assert await readings.advance(connection, reading, readings.Stage.HISTORY, cursor="a")
        assert not await readings.advance(connection, reading, readings.Stage.HISTORY, cursor="b")


async def test_a_cursor_that_slack_has_forgotten_begins_the_pages_anew(worker: Worker) -> None:
    await worker.asked(since=NOW - 30 * MINUTE)
    worker.slack.pages = [Page([message(1)], "old"), StaleCursor("x"), Page([message(1)], None)]
    for _ in range(3):
        await worker.steps()
    assert worker.slack.cursors == [None, "old", None]


async def test_pages_whose_cursor_slack_forgets_each_time_are_read_ever_more_seldom_and_counted(worker: Worker) -> None:
    """Though the first page can be read in between."""

    def unreadable() -> float:
        return metrics.REGISTRY.get_sample_value("okno_gaps_total", {"platform": "slack", "outcome": "unreadable"}) or 0

    before = unreadable()
    await worker.asked(since=NOW - 30 * MINUTE)
    for _ in range(jobs.ATTEMPTS):
        assert unreadable() == before
        worker.slack.pages = [Page([message(1)], "old"), StaleCursor("x")]
        await worker.steps()
        await worker.steps()
    assert unreadable() == before + 1
    assert await worker.database.pool.fetchval("SELECT due_at - now() FROM jobs") > 2 * MINUTE


async def test_one_odd_message_hides_no_other(worker: Worker) -> None:
    await worker.asked(since=NOW - 30 * MINUTE)
    odd = [
        {"ts": "odd"},
        {"subtype": "tombstone", "ts": "99999999999999999999.000000"},
        {**message(2), "files": 7},
        {**message(3), "files": [{"id": "F1", "name": "half of a pair \ud800"}]},
        {**message(5), "thread_ts": "\x00", "latest_reply": "9" * 30, "reply_count": 1},
    ]
    whole = {**message(1), "files": [{"id": "F1", "name": "nothing \x00 at all"}]}
    worker.slack.pages = [Page([*odd, whole], None)]
    await worker.steps()
    reading = await worker.reading()
    assert reading is not None
    async with worker.database.transaction() as connection:
        found = await readings.take(connection, reading, 10)
    assert [event.occurred_at for event in found] == [NOW - 5 * MINUTE, NOW - MINUTE]


def joined(minutes_ago: float, subtype: str = "channel_join", user: str = "UOKNO") -> dict[str, Any]:
    return {**message(minutes_ago), "subtype": subtype, "user": user, "text": "<@UOKNO> has joined the channel"}


def parted(minutes_ago: float, subtype: str = "channel_leave") -> dict[str, Any]:
    return {**joined(minutes_ago, subtype), "text": "<@UOKNO> has left the channel"}


async def found(worker: Worker) -> list[float]:
    """How many minutes ago the posts were written that are to be published."""
    reading = await worker.reading()
    assert reading is not None
    async with worker.database.transaction() as connection:
        return [(NOW - event.occurred_at) / MINUTE for event in await readings.take(connection, reading, 10)]


@pytest.mark.parametrize("since", [None, NOW - 60 * MINUTE], ids=["after a start", "after an outage"])
@pytest.mark.parametrize("subtype", ["channel_join", "group_join"])
async def test_what_was_said_before_we_were_first_invited_in_the_gap_is_not_published(
    worker: Worker, subtype: str, since: datetime | None
) -> None:
    """Only another channel was heard before. Invited, removed and invited again: all from the first time on counts."""
    await worker.hears(90, 60, channel=HELP.model_copy(update={"key": slack_channel("C9")}))
    await worker.asked(only_after_gap=True, since=since)
    edited = {**message(28), "edited": {"user": "U1", "ts": message(4)["ts"]}}
    pages = (
        [message(1), joined(5, subtype), joined(9, user="U1"), message(10)],
        [parted(15), message(18), joined(20, subtype), message(25)],
        [edited, message(30)],
    )
    worker.slack.pages = [Page(list(one), cursor) for one, cursor in zip(pages, ("2", "3", None), strict=True)]
    for _ in pages:
        await worker.steps()
    assert await found(worker) == [18, 10, 1]
    assert await worker.since() == NOW - 20 * MINUTE


@pytest.mark.parametrize("subtype", ["channel_leave", "group_leave"])
async def test_who_left_before_the_first_invitation_shown_had_been_invited_before(worker: Worker, subtype: str) -> None:
    await worker.hears(90, 60, channel=HELP.model_copy(update={"key": slack_channel("C9")}))
    await worker.asked(only_after_gap=True)
    pages = [message(1), joined(5), message(10)], [parted(15, subtype), message(18)]
    worker.slack.pages = [Page(list(one), cursor) for one, cursor in zip(pages, ("2", None), strict=True)]
    for _ in pages:
        await worker.steps()
    assert await found(worker) == [18, 10, 1]


async def test_what_is_older_than_the_invitation_goes_also_when_the_rest_can_t_be_read(worker: Worker) -> None:
    await worker.hears(90, 60, channel=HELP.model_copy(update={"key": slack_channel("C9")}))
    await worker.asked(only_after_gap=True)
    worker.slack.pages = [Page([message(1), joined(5), message(10)], "2"), Gone("channel_not_found")]
    await worker.steps()
    await worker.steps()
    assert await found(worker) == [1]


async def test_a_channel_that_was_heard_before_we_joined_it_again_is_read_whole(worker: Worker) -> None:
    await worker.hears(90, 60)
    await worker.asked(only_after_gap=True)
    worker.slack.pages = [Page([message(10), joined(20), message(25)], None)]
    await worker.steps()
    assert await found(worker) == [25, 10]


async def test_who_names_a_time_gets_what_is_older_than_the_invitation_too(worker: Worker) -> None:
    await worker.asked(since=NOW - 30 * MINUTE)
    worker.slack.pages = [Page([message(10), joined(20), message(25)], None)]
    await worker.steps()
    assert await found(worker) == [25, 10]


async def test_a_failing_slack_is_asked_again_for_ever_and_a_success_forgets_the_failures(worker: Worker) -> None:
    await worker.asked(since=NOW - 30 * MINUTE)
    pool = worker.database.pool
    await pool.execute("UPDATE jobs SET attempts = 5000")
    async with worker.database.transaction() as connection:
        (job,) = await jobs.take(connection, 1)
        await jobs.postpone(connection, job)
    pause = await pool.fetchval("SELECT due_at - now() FROM jobs")
    assert pause <= timedelta(seconds=jobs.LONGEST_PAUSE_SECONDS)
    await pool.execute("UPDATE jobs SET due_at = now()")
    worker.slack.pages = [Page([message(1)], "more")]
    await worker.steps()
    assert await pool.fetchval("SELECT attempts FROM jobs") == 0


async def test_without_a_token_a_gap_is_reported_and_nothing_waits_for_one(worker: Worker) -> None:
    worker.backfill = Backfill(worker.database, None, after=5 * MINUTE, look_back=LOOK_BACK)
    await worker.hears(60)
    await worker.asked(only_after_gap=True)
    assert await worker.database.pool.fetchval("SELECT count(*) FROM jobs") == 0


async def test_a_gap_that_telegram_may_not_bridge_is_reported(worker: Worker) -> None:
    def count(outcome: str) -> float:
        return metrics.REGISTRY.get_sample_value("okno_gaps_total", {"platform": "telegram", "outcome": outcome}) or 0

    before = count("too_long"), count("caught_up")
    await worker.hears(25 * 60, channel=DIALOG)
    await worker.asked(Platform.TELEGRAM, only_after_gap=True)
    assert (count("too_long"), count("caught_up")) == (before[0] + 1, before[1])
    await worker.hears(23 * 60, channel=DIALOG)
    await worker.asked(Platform.TELEGRAM, only_after_gap=True)
    assert (count("too_long"), count("caught_up")) == (before[0] + 1, before[1] + 1)
    assert await worker.reading() is None


async def test_messages_of_a_moved_channel_are_known_under_its_new_key(worker: Worker) -> None:
    await worker.hears(2, 1)
    new = HELP.model_copy(update={"key": slack_channel("C2")})
    moved = ChannelMoved(channel=new, occurred_at=NOW, received_at=NOW, old_channel_key=HELP.key)
    async with worker.database.transaction() as connection:
        await known.note(connection, [moved, post(NOW, new)])
        keys = [message_key(new.key, f"{(NOW - ago * MINUTE).timestamp():.6f}") for ago in (2, 1, 0)]
        assert set(await known.shown(connection, new.key, keys, 1)) == set(keys)
