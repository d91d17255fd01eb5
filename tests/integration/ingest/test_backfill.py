"""What Slack told while ingest was down is read from its history: everything, under its own ids, in its order, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis.migrations import migrate
from contracts import ids
from contracts.chat_events_v1 import ChatEvent, MessageDeleted, MessageEdited, MessagePosted
from contracts.chat_requests_v1 import ReadHistory
from contracts.codec import Envelope
from contracts.keys import ChannelKey, Platform, message_key, slack_channel
from sandbox.stack.kafka.server import EmbeddedKafka
from services.ingest.bootstrap import FOLDERS
from services.ingest.reading import SCHEMA
from tests.integration.ingest.support import SECONDS, Log, Platforms, Running, running
from tests.integration.ingest.test_slack import secrets
from tests.integration.ingest.test_worker import environment, publish

EVENTS = "chat.events.v1"
SHORT_GAP = {"SLACK_BACKFILL_AFTER_SECONDS": "0.2"}


class Desk:
    """One customer in a channel, what ingest's worker has noted, and what it still has to do."""

    def __init__(self, platforms: Platforms, log: Log, database_url: str, user: str) -> None:
        self.platforms = platforms
        self.log = log
        self.database_url = database_url
        self.user = user

    async def channel(self, name: str = "help") -> str:
        made = await self.platforms.act("POST", "/slack/channels", {"name": name})
        return str(made["channel"]["id"])

    async def says(self, channel: str, text: str, **more: Any) -> str:
        body = {"user": self.user, "channel": channel, "text": text, **more}
        return str((await self.platforms.act("POST", "/slack/messages", body))["ts"])

    async def edits(self, channel: str, ts: str, text: str) -> None:
        await self.platforms.act("PATCH", f"/slack/messages/{channel}/{ts}", {"text": text})

    async def deletes(self, channel: str, ts: str) -> None:
        await self.platforms.act("DELETE", f"/slack/messages/{channel}/{ts}")

    async def noted(self, *message_keys: str) -> None:
        """Wait until the worker knows these messages."""
        wanted = {key.rpartition(":")[::2] for key in message_keys}
        query = "SELECT channel_key, ordinal FROM ingest.messages"

        async def known() -> bool:
            rows = await self._fetch(query)
            return wanted <= {(r[0], f"{r[1] // 10**6}.{r[1] % 10**6:06d}") for r in rows}

        await self._until(known)

    async def idle(self, *request_ids: str) -> None:
        """Wait until the requests have been read and nothing is left to do."""

        async def done() -> bool:
            asked = [one.id for one in await self.log.events("chat.requests.v1")]
            read = await self._fetch("SELECT sum(next_offset) FROM ingest.positions WHERE topic = 'chat.requests.v1'")
            if not set(request_ids) <= set(asked) or read[0][0] != len(asked):
                return False
            rows = await self._fetch(
                "SELECT (SELECT count(*) FROM ingest.jobs) + (SELECT count(*) FROM ingest.outbox)"
                " + (SELECT count(*) FROM ingest.readings)"
            )
            return bool(rows[0][0] == 0)

        await self._until(done)

    async def asks(self, kafka: EmbeddedKafka, **fields: Any) -> None:
        """`okno backfill slack`, and its end."""
        request = ReadHistory(platform=Platform.SLACK, requested_at=datetime.now(UTC), **fields)
        await publish(kafka, request)
        await self.idle(request.record_id)

    async def _until(self, done: Any) -> None:
        async with asyncio.timeout(2 * SECONDS):
            while not await done():
                await asyncio.sleep(0.05)

    async def _fetch(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()


@pytest.fixture
async def desk(platforms: Platforms, log: Log, database_url: str) -> Desk:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    user = (await platforms.act("POST", "/slack/users", {"name": "anna"}))["user"]["id"]
    return Desk(platforms, log, database_url, user)


@asynccontextmanager
async def listening(kafka: EmbeddedKafka, platforms: Platforms) -> AsyncIterator[Running]:
    async with running("ingest-slack", kafka, **secrets(platforms)) as ingest:
        await platforms.slack.configure_events(f"{ingest.url}/slack/events", verify=False)
        yield ingest


async def given_up(platforms: Platforms) -> None:
    """Slack has retried in vain everything that happened."""
    await platforms.act("PATCH", "/slack/settings", {"speed": 5000})
    assert (await platforms.act("GET", "/slack/idle?timeout=20"))["idle"]


def read(events: list[Envelope[Any]], kind: type[ChatEvent]) -> list[Any]:
    return [one.data for one in events if isinstance(one.data, kind) and one.data.backfilled]


async def test_everything_that_happened_meanwhile_is_recovered_once_and_in_order(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database_url: str, desk: Desk
) -> None:
    channel = await desk.channel()
    key = slack_channel(channel)
    async with running("ingest-worker", kafka, **environment(platforms, database_url), **SHORT_GAP):
        async with listening(kafka, platforms):
            first = await desk.says(channel, "stays")
            edited = await desk.says(channel, "first words")
            deleted = await desk.says(channel, "will go")
            root = await desk.says(channel, "old root")
            reply = await desk.says(channel, "old reply", thread_ts=root)
            gone_reply = await desk.says(channel, "old reply that goes", thread_ts=root)
            gone_root = await desk.says(channel, "root that goes")
            kept_reply = await desk.says(channel, "its reply", thread_ts=gone_root)
            everything = (first, edited, deleted, root, reply, gone_reply, gone_root, kept_reply)
            await desk.noted(*(message_key(key, ts) for ts in everything))
        before = await log.events(EVENTS)
        new = await desk.says(channel, "new question")
        answer = await desk.says(channel, "in its thread", thread_ts=new)
        late = await desk.says(channel, "in the old thread", thread_ts=root)
        shouted = await desk.says(channel, "to everybody", thread_ts=root, broadcast=True)
        corrected = await desk.says(channel, "a tpyo")
        await desk.edits(channel, corrected, "a typo")
        await desk.edits(channel, edited, "better words")
        await desk.edits(channel, reply, "better reply")
        for ts in (deleted, gone_reply, gone_root):
            await desk.deletes(channel, ts)
        await given_up(platforms)
        failed = (await platforms.act("GET", "/slack/deliveries?state=failed&type=message"))["deliveries"]
        assert len(failed) >= 11
        async with listening(kafka, platforms):
            await log.until(EVENTS, lambda found: len(found) > len(before))
            await desk.idle()
            events = (await log.events(EVENTS))[len(before) :]
            posts, edits = read(events, MessagePosted), read(events, MessageEdited)
            assert [(one.text, one.thread) for one in posts] == [
                ("new question", None),
                ("in its thread", new),
                ("in the old thread", root),
                ("to everybody", root),
                ("a typo", None),
            ]
            assert [one.message_key for one in posts] == [
                message_key(key, ts) for ts in (new, answer, late, shouted, corrected)
            ]
            assert {one.message_key: one.text for one in edits} == {
                message_key(key, corrected): "a typo",
                message_key(key, edited): "better words",
                message_key(key, reply): "better reply",
            }
            removed = {one.message_key for one in read(events, MessageDeleted)}
            assert removed == {message_key(key, ts) for ts in (deleted, gone_reply, gone_root)}
            assert len(events) == 11
            # Slack's own copies, late, are the same events.
            for delivery in failed:
                await platforms.act("POST", f"/slack/deliveries/{delivery['event_id']}/redeliver")
            assert (await platforms.act("GET", "/slack/idle?timeout=20"))["idle"]
            known = {one.id for one in before} | {one.id for one in events}
            assert {one.id for one in await log.events(EVENTS)} == known
            await desk.asks(kafka)
            settled = await log.events(EVENTS)
            await desk.asks(kafka, since=datetime.now(UTC) - timedelta(days=1))
            assert len(await log.events(EVENTS)) == len(settled), "a second backfill finds nothing"


@pytest.mark.parametrize(
    "point", ["backfill.read", "backfill.read@3", "backfill.kept", "backfill.kept@4", "backfill.published"]
)
async def test_a_worker_that_is_killed_goes_on_where_it_was(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database_url: str, desk: Desk, tmp_path: Path, point: str
) -> None:
    """Pages of fifteen messages, as outside the Marketplace: three of the channel, and two threads."""
    await platforms.act("PATCH", "/slack/settings", {"rate_limits": False, "marketplace": False})
    channel = await desk.channel()
    written = [await desk.says(channel, f"number {number}") for number in range(35)]
    for root in (written[2], written[30]):
        written += [await desk.says(channel, f"reply {number}", thread_ts=root) for number in range(3)]
    env = environment(platforms, database_url)
    request = ReadHistory(
        platform=Platform.SLACK, requested_at=datetime.now(UTC), since=datetime.now(UTC) - timedelta(hours=1)
    )
    name, _, turn = point.partition("@")
    faults = {
        "FAULT_POINTS": f"{name}=kill{'@' + turn if turn else ''}",
        "FAULT_DIRECTORY": str(tmp_path),
    }
    async with running("ingest-worker", kafka, **env, **faults) as dying:
        await publish(kafka, request)
        async with asyncio.timeout(SECONDS):
            await dying.process.wait()
    await _due_at_once(database_url)
    async with running("ingest-worker", kafka, **env):
        await desk.idle(request.record_id)
    found = [one.data.message_key for one in await log.events(EVENTS)]
    assert list(dict.fromkeys(found)) == [message_key(slack_channel(channel), ts) for ts in written]


async def _due_at_once(database_url: str) -> None:
    """A killed worker's job is due after a minute; the test doesn't wait for it."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("UPDATE ingest.jobs SET due_at = now()")
    finally:
        await connection.close()


async def test_slacks_limits_are_kept_and_nothing_is_given_up(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database_url: str, desk: Desk
) -> None:
    channels = [await desk.channel(f"help-{number}") for number in range(3)]
    for channel in channels:
        await desk.says(channel, "hello")
    history = {"target": "conversations.history"}
    await platforms.act("POST", "/slack/faults", {**history, "kind": "rate_limit", "retry_after": 1, "times": 1})
    await platforms.act("POST", "/slack/faults", {**history, "kind": "http_error", "status": 503, "times": 1})
    async with running("ingest-worker", kafka, **environment(platforms, database_url)):
        await desk.asks(kafka, since=datetime.now(UTC) - timedelta(hours=1))
    events = await log.events(EVENTS)
    assert {one.data.channel.key for one in events} == {slack_channel(channel) for channel in channels}
    calls = (await platforms.act("GET", "/slack/calls?method=conversations.history"))["calls"]
    assert len(calls) == len(channels) + 2, [call["result"] for call in calls]


async def test_what_the_workspace_no_longer_keeps_is_not_deleted(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database_url: str, desk: Desk
) -> None:
    """A retention of days takes the oldest away: nothing that is older than all that is shown counts as deleted."""
    channel = await desk.channel()
    async with running("ingest-worker", kafka, **environment(platforms, database_url)):
        async with listening(kafka, platforms):
            old = [await desk.says(channel, f"old {number}") for number in range(3)]
            kept = await desk.says(channel, "kept")
            await desk.noted(*(message_key(slack_channel(channel), ts) for ts in (*old, kept)))
        for ts in old:
            await desk.deletes(channel, ts)
        await given_up(platforms)
        await desk.asks(kafka, since=datetime.now(UTC))
        assert read(await log.events(EVENTS), MessageDeleted) == []


async def test_nothing_older_than_the_installation_is_read_unless_asked_for(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database_url: str, desk: Desk
) -> None:
    channel = await desk.channel()
    old = await desk.says(channel, "before Okno", at=datetime.now(UTC).timestamp() - 300)
    async with running("ingest-worker", kafka, **environment(platforms, database_url), **SHORT_GAP):
        async with listening(kafka, platforms):
            await desk.idle()
            assert await log.events(EVENTS) == [], "a first start reads nothing"
            seen = await desk.says(channel, "after the installation")
            await desk.noted(message_key(slack_channel(channel), seen))
        async with listening(kafka, platforms):
            requests = await log.until("chat.requests.v1", lambda found: len(found) == 2)
            await desk.idle(*(one.id for one in requests))
        assert [one.id for one in await log.events(EVENTS)] == [ids.post_event(message_key(f"slack:{channel}", seen))]
        await desk.asks(kafka, since=datetime.now(UTC) - timedelta(hours=1), channel=ChannelKey(f"slack:{channel}"))
    assert [one.id for one in await log.events(EVENTS)][1:] == [ids.post_event(message_key(f"slack:{channel}", old))]
