"""The notifier's process on a real Kafka: killed at each of its fault points, stopped beyond its leases."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from chassis.faults import POINTS as CHASSIS_POINTS
from contracts import codec
from contracts.chat_receipts_v1 import DeliveryChanged
from contracts.chat_replies_v1 import EditReply, PostReply, ReplyInstruction
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres.server import EmbeddedPostgres
from services.notifier.bootstrap import FAULT_POINTS
from tests import backups, topic_reader
from tests.integration.notifier.conftest import Desk, eventually

ROOT = Path(__file__).parents[3]
PROGRAM = """
from chassis.lifecycle import run_process
from chassis.settings import load
from services.notifier.bootstrap import run_notifier
from services.notifier.settings import NotifierSettings
raise SystemExit(run_process("notifier", run_notifier, load(NotifierSettings)))
"""
LEASE_SECONDS = 3
"""TELEGRAM_TIMEOUT_SECONDS and SETTLING_SECONDS, below."""
POINTS = sorted({f"notifier.{point.partition('.')[2]}" for point in CHASSIS_POINTS} | set(FAULT_POINTS))


class Notifiers:
    """Starts notifiers, gives them instructions over Kafka and reads their receipts there."""

    def __init__(self, desk: Desk, kafka: EmbeddedKafka, database_url: str, faults: Path) -> None:
        self.desk, self._kafka, self._database_url, self.faults = desk, kafka, database_url, faults
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str = "notifier-0", faults: str = "") -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "DATABASE_URL": self._database_url,
            "KAFKA_BOOTSTRAP_SERVERS": self._kafka.bootstrap_servers,
            "PROCESS_NAME": name,
            "PROBE_PORT": "0",
            "SLACK_BOT_TOKEN": "xoxb-sandbox-bot-token",
            "SLACK_API_URL": f"{self.desk.base_url}/slack/api/",
            "TELEGRAM_BOT_TOKEN": "7700:sandbox-bot-token",
            "TELEGRAM_API_URL": f"{self.desk.base_url}/telegram",
            "SLACK_TIMEOUT_SECONDS": "2",
            "TELEGRAM_TIMEOUT_SECONDS": "2",
            "SETTLING_SECONDS": "1",
            "FAULT_POINTS": faults,
            "FAULT_DIRECTORY": str(self.faults),
        }
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        self.running.append(process)
        return process

    def _log(self, name: str) -> Path:
        self.faults.mkdir(exist_ok=True)
        return self.faults / f"{name}.log"

    def said(self, name: str) -> str:
        return self._log(name).read_text()

    async def publish(self, *instructions: ReplyInstruction) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._kafka.bootstrap_servers, acks="all")
        await producer.start()
        try:
            for one in instructions:
                encoded = codec.encode(one, source="test", time=one.requested_at)
                await producer.send_and_wait(encoded.topic, encoded.value, encoded.key, headers=encoded.headers)
        finally:
            await producer.stop()

    async def receipts(self) -> list[DeliveryChanged]:
        """First appearances, as consumers take them: what isn't newer is dropped, and nothing may be missing."""
        seen: dict[str, int] = {}
        found = []
        for record in await topic_reader.records(self._kafka.bootstrap_servers, "chat.receipts.v1"):
            data = codec.decode(record.topic, record.headers, record.value).data
            assert isinstance(data, DeliveryChanged)
            if data.version > seen.get(data.delivery_id, 0):
                assert data.version == seen.get(data.delivery_id, 0) + 1
                seen[data.delivery_id] = data.version
                found.append(data)
        return found

    async def ends(self, post: PostReply, state: str) -> DeliveryChanged:
        """Wait until the last receipt on Kafka is this one."""
        last: list[DeliveryChanged] = []

        async def there() -> bool:
            last[:] = [one for one in await self.receipts() if one.delivery_id == post.delivery_id][-1:]
            return bool(last) and f"{last[0].operation} {last[0].state}" == state

        await eventually(there, 60)
        return last[0]

    def reached(self, point: str) -> Callable[[], bool]:
        return (self.faults / f"{point}.reached").exists

    async def ended(self, process: subprocess.Popen[bytes]) -> int:
        return await asyncio.to_thread(process.wait, 60)


@pytest.fixture
async def notifiers(
    desk: Desk, kafka: EmbeddedKafka, database_url: str, registry_topics: None, tmp_path: Path
) -> AsyncIterator[Notifiers]:
    notifiers = Notifiers(desk, kafka, database_url, tmp_path / "faults")
    yield notifiers
    for process in notifiers.running:
        if process.poll() is None:
            process.kill()
            process.wait()


async def test_replies_from_kafka_reach_both_platforms_and_the_process_ends_in_order(notifiers: Notifiers) -> None:
    slack, telegram = notifiers.desk.slack_channel(), notifiers.desk.telegram_dialog()
    first, second, third = (
        notifiers.desk.post(slack, "1"),
        notifiers.desk.post(slack, "2"),
        notifiers.desk.post(telegram, "hello"),
    )
    process = notifiers.start()
    await notifiers.publish(first, second, third)
    for post in (first, second, third):
        await notifiers.ends(post, "post sent")
    assert notifiers.desk.slack_posts(slack) == ["1", "2"]
    assert notifiers.desk.telegram_posts(telegram) == ["hello"]
    process.terminate()
    assert await notifiers.ended(process) == 0


@pytest.mark.timeout(400)
async def test_kills_at_every_point_one_after_another_lose_and_double_nothing(notifiers: Notifiers) -> None:
    """Each successor finds what the one before left, and dies at the next point."""
    place = notifiers.desk.slack_channel()
    posts = []
    for point in POINTS:
        posts.append(notifiers.desk.post(place, point))
        process = notifiers.start(faults=f"{point}=kill")
        await notifiers.publish(posts[-1])
        assert await notifiers.ended(process) == -signal.SIGKILL, point
        assert notifiers.reached(point)(), point
    notifiers.start()
    await notifiers.ends(posts[-1], "post sent")
    await notifiers.publish(notifiers.desk.about(EditReply, posts[0], text="the first"))
    await notifiers.ends(posts[0], "edit sent")
    assert notifiers.desk.slack_posts(place) == ["the first", *POINTS[1:]]


@pytest.mark.parametrize("point", ["notifier.leased", "notifier.posted"])
async def test_a_notifier_that_was_stopped_beyond_its_lease_doubles_nothing(notifiers: Notifiers, point: str) -> None:
    place = notifiers.desk.slack_channel()
    post, following = notifiers.desk.post(place, "once"), notifiers.desk.post(place, "after it")
    stopped = notifiers.start("notifier-0", faults=f"{point}=stop@1")
    await notifiers.publish(post, following)
    await eventually(notifiers.reached(point), 60)
    notifiers.start("notifier-1")
    await notifiers.ends(following, "post sent")
    stopped.send_signal(signal.SIGCONT)
    last = notifiers.desk.post(place, "last")
    await notifiers.publish(last)
    await notifiers.ends(last, "post sent")
    stopped.terminate()
    assert await notifiers.ended(stopped) == 0
    assert notifiers.desk.slack_posts(place) == ["once", "after it", "last"]


async def test_a_sent_post_is_known_though_postgresql_is_away_when_the_platform_answers(
    notifiers: Notifiers, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    place, go = notifiers.desk.telegram_dialog(), tmp_path / "go"
    post = notifiers.desk.post(place, "once")
    process = notifiers.start(faults=f"notifier.posted=hold:{go}", name="notifier-0")
    await notifiers.publish(post)
    await eventually(notifiers.reached("notifier.posted"), 60)
    await postgres.stop()
    go.touch()
    await eventually(lambda: "outcome_not_written" in notifiers.said("notifier-0"), 60)
    await asyncio.sleep(LEASE_SECONDS)  # until it is over, and the operation looks as one in doubt
    await postgres.start()
    await notifiers.ends(post, "post sent")
    assert notifiers.desk.telegram_posts(place) == ["once"]
    assert process.poll() is None


async def test_a_notifier_that_runs_sends_nothing_from_a_ledger_set_back(notifiers: Notifiers) -> None:
    """The ledger says that the post wasn't made: sending it again would double it."""
    place, database = notifiers.desk.slack_channel(), notifiers.desk.database
    post = notifiers.desk.post(place, "once")
    process = notifiers.start()
    await notifiers.publish(post)
    await notifiers.ends(post, "post sent")
    async with database.transaction() as connection:
        await connection.execute("UPDATE deliveries SET version = 1")
        await connection.execute("DELETE FROM parts")
        await connection.execute("UPDATE operations SET state = 'queued', due_at = now(), ended_at = NULL")
        await backups.look_set_back(connection, "notifier-0")
    assert await notifiers.ended(process) == 1
    assert "okno positions accept notifier published chat.receipts.v1 " in notifiers.said("notifier-0")
    assert notifiers.desk.slack_posts(place) == ["once"]


async def test_a_ledger_set_back_is_refused_by_the_receipts_that_it_published(notifiers: Notifiers) -> None:
    post = notifiers.desk.post(notifiers.desk.slack_channel(), "1")
    process = notifiers.start()
    await notifiers.publish(post)
    await notifiers.ends(post, "post sent")
    process.terminate()
    assert await notifiers.ended(process) == 0
    await notifiers.desk.database.pool.execute("UPDATE deliveries SET version = version - 1")
    assert await notifiers.ended(notifiers.start()) == 1
