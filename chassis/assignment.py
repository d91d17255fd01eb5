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
from chassis.positions import Log, PositionAfterEnd, starting_offset
from chassis.settings import KafkaSettings

END_CHECKS = 5
END_PAUSE_SECONDS = 1.0


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
        try:
            return await _positions(consumer, database, settings, name, sorted(partitions))
        except PositionAfterEnd:
            if check == END_CHECKS:
                raise
            await asyncio.sleep(END_PAUSE_SECONDS)
    raise AssertionError("unreachable")


async def _positions(
    consumer: AIOKafkaConsumer,
    database: Database,
    settings: KafkaSettings,
    name: str,
    partitions: list[TopicPartition],
) -> dict[TopicPartition, int]:
    try:
        async with asyncio.timeout(30):
            cluster, starts, ends, committed = await asyncio.gather(
                cluster_id(settings),
                consumer.beginning_offsets(partitions),
                consumer.end_offsets(partitions),
                asyncio.gather(*(consumer.committed(tp) for tp in partitions)),
            )
    except IllegalStateError as error:
        raise Transient("the assignment changed meanwhile") from error
    logs = {tp: Log(cluster, starts[tp], ends[tp], offset) for tp, offset in zip(partitions, committed, strict=True)}
    async with database.transaction() as connection:
        stored = await positions.load(connection, name, partitions)
        missing = [tp for tp in partitions if tp not in stored]
        if missing:
            first = {tp: starting_offset(name, tp, None, logs[tp]) for tp in missing}
            await positions.create(connection, name, first, cluster)
            stored |= await positions.load(connection, name, missing)
    return {tp: starting_offset(name, tp, stored[tp], logs[tp]) for tp in partitions}
