"""The worker's loop: takes due jobs, asks the platform, writes the result and its records in one transaction.

No platform is called inside a transaction, and none stands between a webhook and its acknowledgement.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from chassis import metrics, outbox
from chassis.backoff import Backoff
from chassis.consumer import Record
from chassis.database import Connection, Database
from chassis.error_text import describe
from chassis.errors import Fate, cause_of, fate_of
from chassis.logs import get_logger
from contracts.base import RecordModel
from contracts.chat_events_v1 import ChatEvent
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from services.ingest import outages
from services.ingest.telegram.calls import TelegramCalls, TelegramRefused
from services.ingest.worker import heard, jobs, known, threads, wishes
from services.ingest.worker.backfill import Backfill
from services.ingest.worker.jobs import Job
from services.ingest.worker.slack_reads import Gone, Later, Refused, SlackReads, StaleCursor

SOURCE = "okno/ingest-worker"
FRESH_HOURS = 24
AT_ONCE = 8
IDLE_SECONDS = 0.5
ASK_AGAIN_SECONDS = 600.0
REMEMBERED_KEYS = 10_000
log = get_logger(__name__)


class Noting:
    """Handles chat events and requests: notes what is to be fetched, publishes profiles that the events carry."""

    def __init__(self) -> None:
        self._fresh: set[str] = set()
        """Keys whose profile was fetched of late, so that PostgreSQL isn't asked for each message again."""
        self._asked_at = 0.0
        self.jobs_added = False
        """Since the owner last looked; the transaction may have failed."""

    async def handle(self, records: Sequence[Record], connection: Connection) -> None:
        envelopes = [record.envelope for record in records if record.envelope is not None]
        self._forget()
        wanted = {
            job.job_id: replace(job, traceparent=envelope.traceparent)
            for envelope in envelopes
            for job in wishes.wanted(envelope.data, self._fresh)
        }
        if keys := {str(job.payload["key"]) for job in wanted.values() if "key" in job.payload}:
            self._fresh |= await jobs.fresh(connection, keys, FRESH_HOURS)
        added = [job for job in wanted.values() if job.payload.get("key") not in self._fresh]
        await jobs.add(connection, added)
        self.jobs_added |= bool(added)
        chat = [envelope.data for envelope in envelopes if isinstance(envelope.data, ChatEvent)]
        await heard.note(connection, chat)
        await known.note(connection, chat)
        for profile in sorted(wishes.carried(chat), key=lambda profile: profile.record_key):
            await _publish_profile(connection, profile)

    def _forget(self) -> None:
        now = time.monotonic()
        if now - self._asked_at > ASK_AGAIN_SECONDS or len(self._fresh) > REMEMBERED_KEYS:
            self._fresh.clear()
            self._asked_at = now


class JobLoop:
    """Runs due jobs, a few at once. One that fails `ATTEMPTS` times is given up, as without a platform's token, but:
    the beginning of a thread only when we are `Refused` it as often in a row, and the reading of history never.
    """

    def __init__(
        self,
        database: Database,
        slack: SlackReads | None,
        telegram: TelegramCalls | None,
        *,
        backfill: Backfill | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._database = database
        self._slack = slack
        self._telegram = telegram
        self._backfill = backfill
        self._backoff = backoff or Backoff()
        self._unfinished: list[Job] = []
        self._last_turn = time.monotonic()
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()

    def last_turn_age(self) -> float:
        """Seconds since a turn began, or a job or a call to Slack ended: many slow calls are no stuck loop."""
        last_call_at = 0.0 if self._slack is None else self._slack.last_call_at
        return time.monotonic() - max(self._last_turn, last_call_at)

    def wake(self) -> None:
        """Jobs were added: look at once."""
        self._woken.set()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Until `stop`. Raises when the database stays away."""
        failures, since = 0, 0.0
        while not self._stopping.is_set():
            self._last_turn = time.monotonic()
            self._woken.clear()
            try:
                worked = await self._turn()
            except Exception as error:
                if fate_of(error) is not Fate.TRANSIENT:
                    raise
                failures, since = failures + 1, since or time.monotonic()
                pause = self._backoff.pause(failures, time.monotonic() - since)
                log.warning("jobs failed", cause=cause_of(error), error=describe(error), failures=failures)
                if pause is None:
                    raise
                await self._rest(pause)
                continue
            failures, since = 0, 0.0
            if not worked:
                await self._rest(IDLE_SECONDS)

    async def _turn(self) -> bool:
        """Run what is due; False when nothing is. What a failure leaves undone is due again at the next turn."""
        async with self._database.transaction() as connection:
            for job in self._unfinished:
                await jobs.postpone(connection, job, 0)
            await jobs.add(connection, await outages.left(connection))
            taken = await jobs.take(connection, AT_ONCE)
        self._unfinished = list(taken)
        results = await asyncio.gather(*(self._ended(job) for job in taken), return_exceptions=True)
        failed = [(job, result) for job, result in zip(taken, results, strict=True) if result is not None]
        self._unfinished = [job for job, _ in failed]
        for _, error in failed:
            raise error
        return bool(taken)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _ended(self, job: Job) -> None:
        try:
            await self._run(job)
        finally:
            self._last_turn = time.monotonic()

    async def _run(self, job: Job) -> None:
        """Never raises for what a platform answers: one job's trouble is not another's."""
        try:
            if job.kind in (wishes.GAP, wishes.HISTORY):
                await self._read_history(job)
                return
            found, further = await self._fetch(job)
        except Exception as error:  # noqa: BLE001  an answer can break a parser too; `_failed` logs and counts it
            of_thread = isinstance(error, StaleCursor) and job.kind == wishes.THREAD
            await (self._begin_anew(job) if of_thread else self._failed(job, error))
            return
        async with self._database.transaction() as connection:
            for record in found:
                if isinstance(record, PersonProfile | ChannelProfile):
                    await _publish_profile(connection, record)
                else:
                    row = outbox.row(record, source=SOURCE, time=datetime.now(UTC), traceparent=job.traceparent)
                    await outbox.add(connection, [row])
            await (jobs.done(connection, job) if further is None else jobs.go_on(connection, further))

    async def _read_history(self, job: Job) -> None:
        """Backfill writes its own transactions."""
        if self._backfill is None:
            raise Later("SLACK_BOT_TOKEN is not set")
        await (self._backfill.gap(job) if job.kind == wishes.GAP else self._backfill.step(job))

    async def _fetch(self, job: Job) -> tuple[Sequence[RecordModel], Job | None]:
        """What is to be published, and the job as it goes on where there is more to fetch."""
        if job.kind == wishes.ANSWER_BUTTON:
            if self._telegram is None:
                raise Later("TELEGRAM_BOT_TOKEN is not set")
            await self._telegram.call("answerCallbackQuery", {"callback_query_id": job.payload["query_id"]})
            return (), None
        if self._slack is None:
            raise Refused("SLACK_BOT_TOKEN is not set")
        if job.kind == wishes.PERSON:
            return [await self._slack.person(job.payload["key"])], None
        if job.kind == wishes.CHANNEL:
            return [await self._slack.channel(job.payload["key"])], None
        return await threads.read(self._slack, job)

    async def _begin_anew(self, job: Job) -> None:
        forgotten = job.payload.get("forgotten", 0) + 1
        log.warning("Slack forgot a cursor", kind=job.kind, forgotten=forgotten)
        async with self._database.transaction() as connection:
            await jobs.begin_anew(connection, job, forgotten)

    async def _failed(self, job: Job, error: Exception) -> None:
        seconds = error.seconds if isinstance(error, Later) else None
        refusals = job.payload.get("refusals", 0) + 1 if isinstance(error, Refused) else 0
        tries = refusals if job.kind == wishes.THREAD else job.attempts
        given_up = seconds is None and tries >= jobs.ATTEMPTS and job.kind not in wishes.OF_A_GAP
        final = isinstance(error, Gone | TelegramRefused) or given_up
        if seconds is None and job.kind in wishes.OF_A_GAP and job.attempts >= jobs.ATTEMPTS:
            metrics.gaps.labels("slack", "unreadable").inc()  # each time: the alert lasts for as long as it is unread
        if seconds is None:
            log.warning("job failed", kind=job.kind, attempts=job.attempts, given_up=final, error=describe(error))
        async with self._database.transaction() as connection:
            if final:
                await jobs.done(connection, job)
            else:
                noted = {"refusals": refusals} if job.kind == wishes.THREAD and seconds is None else {}
                await jobs.postpone(connection, job, seconds, noted)


async def _publish_profile(connection: Connection, profile: PersonProfile | ChannelProfile) -> None:
    """Once a profile differs from the one published before."""
    digest = hashlib.sha256(profile.model_dump_json(exclude={"updated_at"}).encode()).hexdigest()[:16]
    if await jobs.remember(connection, profile.record_key, digest, profile.updated_at):
        row = outbox.row(profile, source=SOURCE, time=profile.updated_at, traceparent=None)
        await outbox.add(connection, [row])
        metrics.profiles_published.labels(profile.record_key.partition(":")[0]).inc()
