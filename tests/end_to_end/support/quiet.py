"""Whether anything is still under way: a webhook, a record, an outbox row, a delivery, a job.

Only when nothing is can a test say that nothing was doubled: a second copy comes late.
"""

from __future__ import annotations

import asyncpg
import httpx
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from contracts.topics import TOPICS, dead_topic
from sandbox.stack.info import StackInfo
from tests.end_to_end.support.log import Log, Offsets
from tests.end_to_end.support.waiting import until_none

READERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("ingest", "ingest-worker"): ("chat.events.v1", "chat.requests.v1"),
    ("router", "router"): (
        "chat.events.v1", "ticket.events.v1", "chat.receipts.v1", "desk.staff.v1", "desk.policy.v1", "chat.profiles.v1",
    ),
    ("ticketing", "ticketing"): ("ticket.commands.v1", "chat.receipts.v1", "chat.profiles.v1"),
    ("ticketing", "ticketing-dead-letters"): tuple(map(dead_topic, TOPICS)),
    ("notifier", "notifier"): ("chat.replies.v1",),
}  # fmt: skip
"""Schema and consumer, and what it reads: written down here so that a topic that nobody reads any more is noticed."""

_AWAY = (OSError, TimeoutError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx.HTTPError)


class Quiet:
    """Asks the platforms, Kafka and the four schemas."""

    def __init__(self, info: StackInfo, http: httpx.AsyncClient, log: Log) -> None:
        self._info = info
        self._http = http
        self._log = log

    async def wait(self, *, seconds: float = 90.0) -> None:
        """Until nothing is under way."""
        await until_none(self._problem, what="quiet", seconds=seconds)

    async def _problem(self) -> str | None:
        try:
            return await self._platforms() or await self._inside()
        except _AWAY as error:
            return repr(error)

    async def _platforms(self) -> str | None:
        control = self._info.sandbox.control_url
        slack = (await self._http.get(f"{control}/slack/idle", params={"timeout": 0})).json()
        if not slack["idle"]:
            return f"Slack still delivers {slack['pending']} events"
        telegram = (await self._http.post(f"{control}/telegram/wait-idle", json={"timeout": 0})).json()
        return None if telegram["idle"] else f"Telegram still delivers {telegram['pending']} updates"

    async def _inside(self) -> str | None:
        ends = await self._log.ends()
        connection = await asyncpg.connect(self._info.postgres.dsn, timeout=5)
        try:
            if problem := await _unread(connection, ends) or await _waiting(connection):
                return problem
        finally:
            await connection.close()
        return None if await self._log.ends() == ends else "Kafka got more records"


async def _unread(connection: asyncpg.Connection[asyncpg.Record], ends: Offsets) -> str | None:
    for (schema, consumer), topics in READERS.items():
        rows = await connection.fetch(
            f"SELECT topic, partition, next_offset FROM {schema}.positions WHERE consumer = $1", consumer
        )
        stored = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        for tp, end in ends.items():
            if tp.topic in topics and stored.get(tp, 0) < end:
                return f"{consumer} is at {stored.get(tp)} of {end} in {tp.topic} partition {tp.partition}"
    return None


async def _waiting(connection: asyncpg.Connection[asyncpg.Record]) -> str | None:
    for schema in ("ingest", "router", "ticketing", "notifier"):
        if rows := await connection.fetchval(f"SELECT count(*) FROM {schema}.outbox"):
            return f"{rows} rows in the outbox of {schema}"
    if jobs := await connection.fetchval("SELECT count(*) FROM ingest.jobs"):
        return f"{jobs} jobs of ingest"
    active = "SELECT count(*) FROM notifier.operations WHERE state IN ('queued', 'sending')"
    if deliveries := await connection.fetchval(active):
        return f"{deliveries} deliveries"
    return None
