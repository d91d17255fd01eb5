"""What a platform told while we didn't listen is read from its history and published as backfilled events.

One job a channel, one call to Slack a step; where it stands and what it found are committed together, so that a killed
worker goes on where it was. Events have the ids they always have: overlap is harmless. A message is deemed deleted only
where history was read completely, from before it on, and doesn't show it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from chassis import metrics, outbox
from chassis.database import Connection, Database
from chassis.faults import fault_point
from chassis.logs import get_logger
from chassis.telemetry import EVENT_ID, start_span
from contracts import keys
from contracts.chat import Channel
from contracts.chat_events_v1 import ChatEvent, MessageDeleted, MessageEdited, MessagePosted
from contracts.chat_requests_v1 import ReadHistory
from contracts.keys import ChannelKey, MessageKey, Platform
from services.ingest.worker import heard, history, jobs, known, readings, wishes
from services.ingest.worker.history import Shown
from services.ingest.worker.jobs import Job
from services.ingest.worker.known import ordinal_at
from services.ingest.worker.readings import OpenThread, Reading, Stage
from services.ingest.worker.slack_reads import Gone, Later, Page, SlackReads, StaleCursor

SOURCE = "okno/ingest-worker"
RETRIES_END = timedelta(minutes=10)
"""How long before the last event heard an event may have happened whose last retry was missed (Slack: six minutes, and
clocks differ)."""
TELEGRAM_KEEPS = timedelta(hours=24)
PUBLISHED_AT_ONCE = 200

log = get_logger(__name__)


class Backfill:
    """`after`: how long a platform may be silent. `look_back`: how long before the gap is looked at again."""

    def __init__(self, database: Database, slack: SlackReads | None, *, after: timedelta, look_back: timedelta) -> None:
        self._database = database
        self._slack = slack
        self._after = after
        self._look_back = look_back

    async def gap(self, job: Job) -> None:
        """Find out since when nothing was heard, and read the channels from there on."""
        request = ReadHistory.model_validate(job.payload)
        async with self._database.transaction() as connection:
            since = request.since or await self._silent_since(connection, request)
        if since is None or self._slack is None or request.platform is not Platform.SLACK:
            _report(request, since)
            async with self._database.transaction() as connection:
                await jobs.done(connection, job)
            return
        channels = await self._channels(request.channel)
        asked = request.since is not None and not request.only_after_gap
        async with self._database.transaction() as connection:
            for channel in channels:
                await readings.begin(connection, channel, since, since - self._look_back, asked=asked)
            await jobs.add(connection, [_history_job(channel) for channel in channels])
            await jobs.done(connection, job)
            left = await readings.left(connection)
        metrics.gaps.labels("slack", "read").inc()
        metrics.backfill_channels.labels("slack").set(left)
        gap = (request.requested_at - since).total_seconds()
        log.warning("history is read", platform="slack", since=since, seconds=gap, channels=len(channels))

    async def _silent_since(self, connection: Connection, request: ReadHistory) -> datetime | None:
        """The begin of the gap, or None where there is none: never before the installation."""
        times = await heard.last_before(connection, request.platform, request.requested_at)
        if times is None:
            return None
        first, last = times
        silent = request.requested_at - last > self._after
        if request.only_after_gap and not silent:
            return None
        if not silent:
            begun = await heard.silence(connection, request.platform, request.requested_at, self._after)
            last = begun or last
        return last if request.platform is not Platform.SLACK else max(first, last - RETRIES_END)

    async def _channels(self, key: ChannelKey | None) -> list[Channel]:
        slack = self._reads()
        return await slack.channels() if key is None else [await slack.named_channel(key)]

    def _reads(self) -> SlackReads:
        if self._slack is None:
            raise Later("SLACK_BOT_TOKEN is not set")
        return self._slack

    async def step(self, job: Job) -> None:
        """One call to Slack, or one publication, of a channel's reading."""
        async with self._database.transaction() as connection:
            reading = await readings.load(connection, ChannelKey(job.payload["channel_key"]))
            thread = None if reading is None else await readings.next_thread(connection, reading)
        if reading is None:
            async with self._database.transaction() as connection:
                await jobs.done(connection, job)
            return
        try:
            if reading.stage is Stage.HISTORY:
                await self._history(job, reading)
            elif reading.stage is Stage.PROBE:
                await self._probe(job, reading)
            elif thread is not None and thread.urgent:
                await self._thread(job, reading, thread)
            elif not await self._published(job, reading):
                await (self._end(job, reading) if thread is None else self._thread(job, reading, thread))
        except StaleCursor:  # read from the newest message again
            forgotten = job.payload.get("forgotten", 0) + 1
            log.warning("Slack forgot a cursor", channel=reading.channel.key, forgotten=forgotten)
            if forgotten >= jobs.ATTEMPTS:
                metrics.gaps.labels("slack", "unreadable").inc()
            async with self._database.transaction() as connection:
                await jobs.begin_anew(connection, job, forgotten)
                if await readings.advance(connection, reading, Stage.HISTORY, lowest=reading.lowest):
                    await readings.end_threads(connection, reading)
        except Gone as error:
            log.warning("a channel's history can't be read", channel=reading.channel.key, reason=str(error))
            async with self._database.transaction() as connection:
                await jobs.go_on(connection, job)
                if await readings.advance(connection, reading, Stage.THREADS):
                    await self._from_invitation(connection, reading)
                    await readings.end_threads(connection, reading)

    async def _history(self, job: Job, reading: Reading) -> None:
        page = await self._reads().history(reading.channel, reading.oldest, reading.cursor)
        found = await self._shown(reading, page)
        envelope = await self._reads().envelope(reading.channel)
        lowest = history.lowest(page.messages, reading.lowest)
        await fault_point("backfill.read")
        async with self._database.transaction() as connection:
            stage = Stage.HISTORY if page.cursor else Stage.PROBE
            await jobs.go_on(connection, job)
            if not await readings.advance(connection, reading, stage, cursor=page.cursor, lowest=lowest):
                return
            reading = await readings.member(connection, reading, *history.member(page.messages, envelope))
            await self._compare(connection, reading, found)
            threads = history.threads(page.messages, reading.since, reading.oldest)
            await readings.add_threads(connection, reading, threads)
            if stage is Stage.PROBE:
                await self._from_invitation(connection, reading)
                await readings.add_known_threads(connection, reading, ordinal_at(reading.oldest))
        await fault_point("backfill.kept")

    async def _from_invitation(self, connection: Connection, reading: Reading) -> None:
        """What was said before we were first invited wasn't said to us: all pages are read, or no more can be.

        Who left before had been invited before, and so had who heard of it before.
        """
        joined = reading.joined
        if reading.asked or joined is None or joined <= ordinal_at(reading.since):
            return
        if reading.parted is not None and reading.parted < joined:
            return
        if not await known.knows_before(connection, reading.channel.key, joined):
            await readings.not_before(connection, reading, joined)

    async def _probe(self, job: Job, reading: Reading) -> None:
        """The history is complete. What was there before and isn't any more was deleted; but of what is older than all
        that is shown, only if the workspace still keeps older messages.
        """
        oldest = ordinal_at(reading.oldest)
        async with self._database.transaction() as connection:
            missing = await known.roots_not_shown(
                connection, reading.channel.key, reading.number, reading.started_at, oldest
            )
        shown_from = reading.lowest
        doubtful = [key for key in missing if shown_from is None or keys.ordinal(key) < shown_from]
        if doubtful and not await self._reads().shows_anything_before(reading.channel, reading.oldest):
            missing = [key for key in missing if key not in doubtful]
        async with self._database.transaction() as connection:
            await jobs.go_on(connection, job)
            if await readings.advance(connection, reading, Stage.THREADS, lowest=shown_from):
                await self._deleted(connection, reading, missing)

    async def _thread(self, job: Job, reading: Reading, thread: OpenThread) -> None:
        """A thread that is gone with its root has lost its replies too."""
        try:
            page = await self._reads().replies(reading.channel, thread.ts, thread.cursor)
            complete = page.cursor is None
        except Gone:
            page = Page([], None)
            async with self._database.transaction() as connection:
                complete = await known.is_deleted(connection, keys.message_key(reading.channel.key, thread.ts))
        found = await self._shown(reading, page)
        await fault_point("backfill.read")
        async with self._database.transaction() as connection:
            await jobs.go_on(connection, job)
            if not await readings.advance(connection, reading, Stage.THREADS, lowest=reading.lowest):
                return
            await self._compare(connection, reading, found)
            await readings.move_thread(connection, reading, thread, page.cursor)
            if complete:
                missing = await known.replies_not_shown(
                    connection, reading.channel.key, reading.number, reading.started_at, thread.ts
                )
                await self._deleted(connection, reading, missing)
        await fault_point("backfill.kept")

    async def _shown(self, reading: Reading, page: Page) -> list[Shown]:
        envelope = await self._reads().envelope(reading.channel)
        return history.readable(page.messages, envelope, reading.channel, datetime.now(UTC))

    async def _compare(self, connection: Connection, reading: Reading, found: Sequence[Shown]) -> None:
        seen = await known.shown(connection, reading.channel.key, [one.key for one in found], reading.number)
        finds = [find for one in found for find in history.unknown(one, seen.get(one.key), reading.since)]
        await readings.keep(connection, reading, finds)

    async def _deleted(self, connection: Connection, reading: Reading, missing: Sequence[MessageKey]) -> None:
        await known.set_deleted(connection, reading.channel.key, missing)
        await readings.keep(connection, reading, history.deletions(missing, reading.channel, datetime.now(UTC)))

    async def _published(self, job: Job, reading: Reading) -> bool:
        """Hand over what was found, in the platform's order; False when there is nothing."""
        async with self._database.transaction() as connection:
            if not await readings.held(connection, reading):
                await jobs.go_on(connection, job)
                return True
            events = await readings.take(connection, reading, PUBLISHED_AT_ONCE)
            if not events:
                return False
            kinds = Counter(type(event) for event in events)
            await readings.count(connection, reading, kinds[MessagePosted], kinds[MessageEdited], kinds[MessageDeleted])
            await outbox.add(connection, [_row(event) for event in events])
            await jobs.go_on(connection, job)
        for event in events:
            metrics.backfilled_events.labels("slack", event.TYPE).inc()
        await fault_point("backfill.published")
        return True

    async def _end(self, job: Job, reading: Reading) -> None:
        async with self._database.transaction() as connection:
            left = await readings.end(connection, reading)
            await (jobs.go_on(connection, job) if left is None else jobs.done(connection, job))
        if left is None:
            return
        metrics.backfill_channels.labels("slack").set(left)
        log.info(
            "channel is read",
            channel=reading.channel.key,
            since=reading.since,
            posts=reading.posts,
            edits=reading.edits,
            deletions=reading.deletions,
            channels_left=left,
        )


def _history_job(channel: Channel) -> Job:
    return Job(f"{wishes.HISTORY}:{channel.key}", wishes.HISTORY, {"channel_key": channel.key})


def _row(event: ChatEvent) -> outbox.OutboxRow:
    """Each begins its own journey."""
    with start_span("ingest-worker backfill", kind="producer") as span:
        span.set(EVENT_ID, event.record_id)
        return outbox.row(event, source=SOURCE, time=event.received_at, traceparent=span.traceparent)


def _report(request: ReadHistory, since: datetime | None) -> None:
    """There is no gap, or nothing can be read. Telegram has no history for bots: it keeps updates for 24 hours and
    hands them out by itself.
    """
    if since is None:
        log.info("no gap, nothing is read", platform=request.platform.value)
        return
    gap = request.requested_at - since
    if request.platform is Platform.SLACK:
        metrics.gaps.labels("slack", "unreadable").inc()
        log.error("history can't be read: SLACK_BOT_TOKEN is not set", since=since, seconds=gap.total_seconds())
        return
    lost = gap > TELEGRAM_KEEPS
    metrics.gaps.labels("telegram", "too_long" if lost else "caught_up").inc()
    say = log.warning if lost else log.info
    say("telegram was not heard", since=since, seconds=gap.total_seconds(), updates_may_be_lost=lost)
