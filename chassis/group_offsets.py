"""The group's committed offsets follow the database: once a second at most, in the background, never ahead of it.

Nothing starts from them. They are for lag metrics and autoscaling, and they show when a database was set back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from chassis import metrics
from chassis.error_text import describe
from chassis.logs import get_logger

INTERVAL_SECONDS = 1.0
LAST_SECONDS = 3.0
MOST_SIGHTS = 1000
"""Beyond so many the latest is moved up instead: a lag of a quarter of an hour may be told a little too long."""

log = get_logger("consumer")


class Waiting:
    """When each end of a partition's log was first seen: how long the oldest record before it has waited."""

    def __init__(self) -> None:
        self._sights: deque[tuple[int, float]] = deque()
        """Ends of the log with the time of their first sight; both grow."""

    def seconds(self, position: int, end: int, now: float) -> float:
        """The wait, in seconds, of the record at `position`, the next to be processed, when the log ends at `end`.

        Never more than its real wait, and less than that by at most the time between two calls; after a start it is
        counted from the first call.
        """
        if not self._sights or end > self._sights[-1][0]:
            since = self._sights.pop()[1] if len(self._sights) >= MOST_SIGHTS else now
            self._sights.append((end, since))
        while self._sights and self._sights[0][0] <= position:
            self._sights.popleft()
        return now - self._sights[0][1] if self._sights else 0.0


class GroupOffsets:
    """Commits what `stored` was told, and shows how far the log is ahead."""

    def __init__(self, consumer: AIOKafkaConsumer, name: str) -> None:
        self._consumer = consumer
        self._name = name
        self._positions: dict[TopicPartition, int] = {}
        """Of what is assigned, and of nothing else."""
        self._stored: dict[TopicPartition, int] = {}
        """What the group hasn't been told yet."""
        self._changed = asyncio.Event()
        self._waiting: dict[TopicPartition, Waiting] = {}

    def stored(self, offsets: dict[TopicPartition, int]) -> None:
        """These positions are committed in the database. What is behind a former one is left out.

        A batch in hand may outlast its assignment: of a partition that is gone the group is told when it comes back.
        """
        ahead = {tp: offset for tp, offset in offsets.items() if offset >= self._positions.get(tp, offset)}
        self._stored.update(ahead)
        self._positions.update({tp: offset for tp, offset in ahead.items() if tp in self._positions})
        self._changed.set()

    def revoked(self) -> None:
        """Whoever owns the partitions now commits for them."""
        for tp in self._positions:
            metrics.consumer_lag.remove(self._name, tp.topic, str(tp.partition))
        self._positions.clear()
        self._waiting.clear()
        metrics.consumer_lag_seconds.labels(self._name).set(0)

    def assigned(self, offsets: dict[TopicPartition, int]) -> None:
        """Where reading begins. What the group wasn't told of is as far as that by now: another may have gone on."""
        self._positions = dict(offsets)
        self._stored = {tp: offsets[tp] for tp in self._stored if tp in offsets}
        self._changed.set()
        self._waiting = {tp: Waiting() for tp in offsets}
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
        now, longest = time.monotonic(), 0.0
        for tp, position in self._positions.items():
            end = self._consumer.highwater(tp) if tp in assigned else None
            metrics.consumer_lag.labels(self._name, tp.topic, str(tp.partition)).set(max(0, (end or 0) - position))
            longest = max(longest, self._waiting.setdefault(tp, Waiting()).seconds(position, end or 0, now))
        metrics.consumer_lag_seconds.labels(self._name).set(longest)

    async def last(self) -> None:
        """At the end of the process, for as long as it is worth."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self._commit()
        except TimeoutError:
            log.info("group_offsets_not_committed", error="Kafka doesn't answer")

    async def _commit(self) -> None:
        assigned = self._consumer.assignment() & self._positions.keys()
        offsets = {tp: offset for tp, offset in self._stored.items() if tp in assigned}
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
