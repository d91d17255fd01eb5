"""How much is still under way between a webhook and its effects: records not read, outbox rows, deliveries, jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import asyncpg
from aiokafka import TopicPartition

from contracts.topics import TOPICS, dead_topic
from sandbox.stack.inside.log import Offsets

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

SCHEMAS = ("ingest", "router", "ticketing", "notifier")
_ACTIVE = "SELECT count(*) FROM notifier.operations WHERE state IN ('queued', 'sending')"

Positions = dict[tuple[str, str, TopicPartition], int]
"""By schema, consumer and partition."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """`unread` is by consumer and partition, only where there is something."""

    unread: dict[tuple[str, TopicPartition], int]
    outbox: dict[str, int]
    jobs: int
    deliveries: int

    @property
    def moving(self) -> int:
        """All but the jobs: those wait for limits of the platforms."""
        return sum(self.unread.values()) + sum(self.outbox.values()) + self.deliveries

    def counts(self) -> dict[str, int]:
        """By consumer, outbox, and what waits for the platforms; nothing that is 0."""
        found: Counter[str] = Counter()
        for (consumer, _), count in self.unread.items():
            found[consumer] += count
        found.update({f"outbox of {schema}": rows for schema, rows in self.outbox.items()})
        found.update(jobs=self.jobs, deliveries=self.deliveries)
        return {name: count for name, count in found.items() if count}

    def text(self) -> str | None:
        """The first thing under way; None when nothing is."""
        for (consumer, tp), count in self.unread.items():
            return f"{consumer} has {count} records of {tp.topic} partition {tp.partition} to read"
        for schema, rows in self.outbox.items():
            if rows:
                return f"{rows} rows in the outbox of {schema}"
        if self.jobs:
            return f"{self.jobs} jobs of ingest"
        return f"{self.deliveries} deliveries" if self.deliveries else None


async def positions(connection: asyncpg.Connection[asyncpg.Record]) -> Positions:
    """What every consumer has stored."""
    found: Positions = {}
    for schema in SCHEMAS:
        rows = await connection.fetch(f"SELECT consumer, topic, partition, next_offset FROM {schema}.positions")  # noqa: S608
        for row in rows:
            found[schema, row["consumer"], TopicPartition(row["topic"], row["partition"])] = row["next_offset"]
    return found


def passed(stored: Positions, topic: str) -> Offsets:
    """Up to where all readers of a topic have read it, by partition; 0 where one hasn't begun, nothing without any."""
    readers = [one for one, topics in READERS.items() if topic in topics]
    partitions = [TopicPartition(topic, number) for number in range(TOPICS[topic].partitions if readers else 0)]
    return {tp: min(stored.get((*reader, tp), 0) for reader in readers) for tp in partitions}


async def backlog(connection: asyncpg.Connection[asyncpg.Record], ends: Offsets) -> Backlog:
    """What is under way now, given the ends of all partitions."""
    stored = await positions(connection)
    unread = {
        (consumer, tp): end - stored.get((schema, consumer, tp), 0)
        for (schema, consumer), topics in READERS.items()
        for tp, end in ends.items()
        if tp.topic in topics and stored.get((schema, consumer, tp), 0) < end
    }
    outbox = {schema: await connection.fetchval(f"SELECT count(*) FROM {schema}.outbox") for schema in SCHEMAS}  # noqa: S608
    jobs = await connection.fetchval("SELECT count(*) FROM ingest.jobs")
    return Backlog(unread, outbox, jobs, await connection.fetchval(_ACTIVE))
