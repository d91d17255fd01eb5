"""A new assignment reads nothing before its stored positions are checked against the log and sought.

aiokafka makes an assignment live before its listener ends, and swallows the listener's errors. So the listener's first
statements stop all fetching (`seek(tp, 0)`, which also forgets what was fetched, and `pause`); the consumer's own loop
then loads, checks, seeks and resumes, where an error ends the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError

from chassis import positions
from chassis.database import Database
from chassis.errors import Transient
from chassis.kafka import cluster_id
from chassis.positions import Log, PositionAfterEnd, PositionRefused, PositionsRefused, Reader, starting_offset
from chassis.settings import KafkaSettings

END_CHECKS = 5
END_PAUSE_SECONDS = 1.0
ASK_SECONDS = 30.0


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Stops all fetching, then tells the loop."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        *,
        assigned: Callable[[frozenset[TopicPartition]], None],
        revoked: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._assigned = assigned
        self._revoked = revoked

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        for tp in assigned:
            self._consumer.seek(tp, 0)
        self._consumer.pause(*assigned)
        self._assigned(frozenset(assigned))

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - always all of them
        self._revoked()


async def checked_positions(
    consumer: AIOKafkaConsumer,
    database: Database,
    settings: KafkaSettings,
    *,
    name: str,
    partitions: Collection[TopicPartition],
) -> dict[TopicPartition, int]:
    """Where to read each partition from; first positions are stored. Raises PositionRefused, and Transient errors.

    An end before the position is looked at again for some seconds: a broker that has just started may not know it yet.
    """
    if not partitions:
        return {}
    for check in range(1, END_CHECKS + 1):
        found, refused = await _look(consumer, database, settings, name, sorted(partitions))
        if not refused:
            return found
        if check == END_CHECKS or not all(isinstance(error, PositionAfterEnd) for error in refused):
            raise refused[0] if len(refused) == 1 else PositionsRefused(refused)
        await asyncio.sleep(END_PAUSE_SECONDS)
    raise AssertionError("unreachable")


async def _look(
    consumer: AIOKafkaConsumer,
    database: Database,
    settings: KafkaSettings,
    name: str,
    partitions: list[TopicPartition],
) -> tuple[dict[TopicPartition, int], list[PositionRefused]]:
    """Where to read each partition from, and what can't be read."""
    logs = await _logs(consumer, settings, partitions)
    cluster = logs[partitions[0]].cluster_id
    reader = Reader(database.schema, name)
    found: dict[TopicPartition, int] = {}
    refused: list[PositionRefused] = []
    async with database.transaction() as connection:
        stored = await positions.load(connection, name, partitions)
        for tp in partitions:
            try:
                found[tp] = starting_offset(reader, tp, stored.get(tp), logs[tp])
            except PositionRefused as error:
                refused.append(error)
        first = {tp: offset for tp, offset in found.items() if tp not in stored}
        if first and not refused:
            await positions.create(connection, name, first, cluster)
            # Whoever had them a moment ago may have stored them first, and gone on.
            stored = await positions.load(connection, name, list(first))
            found |= {tp: one.next_offset for tp, one in stored.items()}
    return found, refused


async def _logs(
    consumer: AIOKafkaConsumer, settings: KafkaSettings, partitions: list[TopicPartition]
) -> dict[TopicPartition, Log]:
    """Ask Kafka. Raises errors that are transient."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            cluster, starts, ends, committed = await asyncio.gather(
                cluster_id(settings),
                consumer.beginning_offsets(partitions),
                consumer.end_offsets(partitions),
                asyncio.gather(*(consumer.committed(tp) for tp in partitions)),
            )
    except IllegalStateError as error:
        raise Transient("the assignment changed meanwhile") from error
    return {tp: Log(cluster, starts[tp], ends[tp], offset) for tp, offset in zip(partitions, committed, strict=True)}
