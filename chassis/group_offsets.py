"""The group's committed offsets follow the database: once a second at most, in the background, never ahead of it.

Nothing starts from them. They are for lag metrics and autoscaling, and they show when a database was set back.
"""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from chassis import metrics
from chassis.error_text import describe
from chassis.logs import get_logger

INTERVAL_SECONDS = 1.0
LAST_SECONDS = 3.0

log = get_logger("consumer")


class GroupOffsets:
    """Commits what `stored` was told, and shows how far the log is ahead."""

    def __init__(self, consumer: AIOKafkaConsumer, name: str) -> None:
        self._consumer = consumer
        self._name = name
        self._positions: dict[TopicPartition, int] = {}
        self._stored: dict[TopicPartition, int] = {}
        self._changed = asyncio.Event()

    def stored(self, offsets: dict[TopicPartition, int]) -> None:
        """These positions are committed in the database."""
        self._stored.update(offsets)
        self._positions.update(offsets)
        self._changed.set()

    def revoked(self) -> None:
        """Whoever owns the partitions now commits for them."""
        self._stored.clear()
        for tp in self._positions:
            metrics.consumer_lag.remove(self._name, tp.topic, str(tp.partition))
        self._positions.clear()

    def assigned(self, offsets: dict[TopicPartition, int]) -> None:
        """Where reading begins."""
        self._positions = dict(offsets)
        self._show_lag()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._changed.is_set():
                self._changed.clear()
                await self._commit()
            self._show_lag()
            await asyncio.sleep(INTERVAL_SECONDS)

    def _show_lag(self) -> None:
        assigned = self._consumer.assignment()
        for tp, position in self._positions.items():
            end = self._consumer.highwater(tp) if tp in assigned else None
            metrics.consumer_lag.labels(self._name, tp.topic, str(tp.partition)).set(max(0, (end or 0) - position))

    async def last(self) -> None:
        """At the end of the process, for as long as it is worth."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self._commit()
        except TimeoutError:
            log.info("group_offsets_not_committed", error="Kafka doesn't answer")

    async def _commit(self) -> None:
        offsets = {tp: offset for tp, offset in self._stored.items() if tp in self._consumer.assignment()}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            # A rebalance is under way, or Kafka is away: the next commit makes up for it.
            log.info("group_offsets_not_committed", error=describe(error))
            self._changed.set()
            return
        for tp, offset in offsets.items():
            if self._stored.get(tp) == offset:
                del self._stored[tp]
