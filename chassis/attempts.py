"""What failed, or may have killed the process, is remembered across restarts until the position has passed it.

A row names the place (the first record in hand). It counts failures with an outcome, and starts without one: `begin`
commits a start before the handler runs, so a record that kills the process is counted too. That costs a transaction,
so it is done only where something is at stake: for the first batch of a partition after an assignment, and for retries.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from chassis.database import Connection, Database

_BEGIN = """
INSERT INTO attempts (consumer, topic, partition, record_offset, starts, starts_alone)
SELECT $1, topic, partition, record_offset, 1, $5::int
FROM unnest($2::text[], $3::int[], $4::bigint[]) AS a(topic, partition, record_offset)
ON CONFLICT (consumer, topic, partition, record_offset) DO UPDATE
SET starts = attempts.starts + 1, starts_alone = attempts.starts_alone + $5::int, updated_at = now()
RETURNING topic, partition, starts, starts_alone, failures"""

_END = """
UPDATE attempts t SET
    starts = greatest(t.starts - 1, 0),
    starts_alone = greatest(t.starts_alone - $5::int, 0),
    failures = t.failures + $6::int,
    cause = coalesce($7, t.cause),
    updated_at = now()
FROM unnest($2::text[], $3::int[], $4::bigint[]) AS a(topic, partition, record_offset)
WHERE t.consumer = $1 AND t.topic = a.topic AND t.partition = a.partition AND t.record_offset = a.record_offset
RETURNING t.topic, t.partition, t.starts, t.starts_alone, t.failures"""

_FORGET = """
DELETE FROM attempts t USING unnest($2::text[], $3::int[], $4::bigint[]) AS a(topic, partition, next_offset)
WHERE t.consumer = $1 AND t.topic = a.topic AND t.partition = a.partition AND t.record_offset < a.next_offset"""

MAX_FAILURES = 3
"""The attempt at which the culprit is looked for and dead-lettered."""
MAX_DEATHS = 2
"""After so many deaths with a batch in hand, its records are taken one by one."""
MAX_DEATHS_ALONE = 3
"""After so many deaths with one record in hand, it is dead-lettered without being handled again."""


class Step(enum.Enum):
    """How the records at a position are handled next."""

    WHOLE = "whole"
    """All in one go."""
    SAVEPOINTS = "savepoints"
    """One transaction, a savepoint a record: those that fail are dead-lettered."""
    ALONE = "alone"
    """A transaction a record, each start remembered."""
    BURY = "bury"
    """Dead-letter the first record without handling it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What earlier attempts at a place came to, the present one not counted."""

    deaths: int = 0
    deaths_alone: int = 0
    failures: int = 0

    @property
    def step(self) -> Step:
        if self.deaths_alone >= MAX_DEATHS_ALONE:
            return Step.BURY
        if self.deaths >= MAX_DEATHS or self.deaths_alone:
            return Step.ALONE
        if self.failures >= MAX_FAILURES - 1:
            return Step.SAVEPOINTS
        return Step.WHOLE

    @property
    def number(self) -> int:
        """Which attempt the present one is, from 1."""
        return self.deaths + self.failures + 1


Places = Mapping[TopicPartition, int]
"""Partitions, each with the offset of the first record in hand."""


class Attempts:
    """The attempts of one consumer in this process. `unproven` are the partitions where a start must be remembered."""

    def __init__(self, consumer: str, database: Database) -> None:
        self._consumer = consumer
        self._database = database
        self.unproven: set[TopicPartition] = set()
        self._open: dict[TopicPartition, tuple[int, bool, Attempt]] = {}

    def doubt(self, partitions: Collection[TopicPartition]) -> None:
        """The next batch of these partitions must be remembered before it is handled."""
        self.unproven.update(partitions)

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """A new assignment: what is known of other partitions is for their new owners to find out."""
        self.unproven = set(partitions)
        self._open = {tp: start for tp, start in self._open.items() if tp in self.unproven}

    async def begin(self, places: Places, *, alone: bool = False) -> dict[TopicPartition, Attempt]:
        """Remember that handling starts, and tell what became of earlier attempts.

        A start that this process remembered already, and is still alive after, isn't counted again.
        """
        fresh = {tp: offset for tp, offset in places.items() if self._known(tp, offset, alone) is None}
        if fresh:
            rows = await self._database.pool.fetch(_BEGIN, self._consumer, *_columns(fresh), int(alone))
            for row in rows:
                tp = TopicPartition(row["topic"], row["partition"])
                earlier = Attempt(row["starts"] - 1, row["starts_alone"] - int(alone), row["failures"])
                self._open[tp] = (fresh[tp], alone, earlier)
        return {tp: self._open[tp][2] for tp in places}

    def _known(self, tp: TopicPartition, offset: int, alone: bool) -> Attempt | None:
        start = self._open.get(tp)
        return start[2] if start is not None and start[:2] == (offset, alone) else None

    async def failed(self, places: Places, cause: str) -> None:
        """The attempt at these places ended with an error that isn't transient."""
        begun = {tp: offset for tp, offset in places.items() if tp in self._open}
        unbegun = {tp: offset for tp, offset in places.items() if tp not in begun}
        if unbegun:
            await self.begin(unbegun)
        await self._end(places, failures=1, cause=cause)

    async def withdraw(self) -> None:
        """The process ends without an outcome, but alive: what it had begun is no death."""
        if self._open:
            await self._end({tp: start[0] for tp, start in self._open.items()}, failures=0, cause=None)

    async def _end(self, places: Places, *, failures: int, cause: str | None) -> None:
        for alone in (False, True):
            chosen = {tp: offset for tp, offset in places.items() if tp in self._open and self._open[tp][1] is alone}
            if chosen:
                await self._database.pool.fetch(_END, self._consumer, *_columns(chosen), int(alone), failures, cause)
        for tp in places:
            self._open.pop(tp, None)
        self.doubt(places)

    async def forget(self, connection: Connection, next_offsets: Mapping[TopicPartition, int]) -> None:
        """In the batch's transaction: rows before the new positions are settled."""
        doubtful = {tp: offset for tp, offset in next_offsets.items() if tp in self.unproven}
        if doubtful:
            await connection.execute(_FORGET, self._consumer, *_columns(doubtful))

    def proven(self, partitions: Collection[TopicPartition]) -> None:
        """The transaction of `forget` is committed."""
        self.unproven.difference_update(partitions)
        for tp in partitions:
            self._open.pop(tp, None)


def _columns(places: Places) -> tuple[list[str], list[int], list[int]]:
    return [tp.topic for tp in places], [tp.partition for tp in places], list(places.values())
