"""What was polled is handled as its earlier attempts demand: in one go as a rule, ever more carefully after failures.

A data error is looked for at once, one record per savepoint. Other poison counts as a failure of the whole batch,
until the third attempt looks for the culprit. Deaths of the process lead to records being handled alone, each in a
transaction of its own (chassis/attempts.py says when).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from aiokafka import TopicPartition

from chassis.attempts import Attempt, Step
from chassis.batches import Batches, Outcome, UnknownPosition
from chassis.dead_letters import is_dead
from chassis.errors import Fate, cause_of, fate_of
from chassis.logs import get_logger
from chassis.records import Polled

Offsets = Mapping[TopicPartition, int]

log = get_logger("consumer")


class Handling:
    """Handles what one consumer polled."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    async def outcomes(self, polled: Polled, fetched_from: Offsets) -> AsyncGenerator[Outcome, None]:
        """Handle records, transaction by transaction; each is committed when its outcome is given.

        Raises what can't be handled now; poison has been remembered then.
        """
        careful = await self._careful(polled)
        together = {tp: raws for tp, raws in polled.items() if tp not in careful}
        if together:
            yield await self._whole(together, fetched_from)
        for tp, attempt in careful.items():
            step = _step(tp, attempt)
            log.warning(
                "handled_carefully", topic=tp.topic, partition=tp.partition, offset=polled[tp][0].offset,
                step=step.value, deaths=attempt.deaths, failures=attempt.failures,
            )  # fmt: skip
            if step is Step.SAVEPOINTS:
                yield await self._one_by_one({tp: polled[tp]}, fetched_from, {tp: attempt}, bury_all=True)
                continue
            async for outcome in self._alone(tp, polled, fetched_from, attempt):
                yield outcome

    async def _careful(self, polled: Polled) -> dict[TopicPartition, Attempt]:
        """The partitions that need care, and why; none as a rule."""
        attempts = self._batches.attempts
        if not attempts.unproven:
            return {}
        doubtful = {tp: raws[0].offset for tp, raws in polled.items() if tp in attempts.unproven}
        if not doubtful:
            return {}
        found = await attempts.begin(doubtful)
        return {tp: attempt for tp, attempt in found.items() if attempt.step is not Step.WHOLE}

    async def _whole(self, polled: Polled, fetched_from: Offsets) -> Outcome:
        try:
            return await self._batches.whole(polled, fetched_from)
        except Exception as error:
            await self._remember(polled, error)
            if fate_of(error) is not Fate.DATA:
                raise
        return await self._one_by_one(polled, fetched_from, {}, bury_all=False)

    async def _one_by_one(
        self, polled: Polled, fetched_from: Offsets, attempts: Mapping[TopicPartition, Attempt], *, bury_all: bool
    ) -> Outcome:
        try:
            return await self._batches.one_by_one(polled, fetched_from, attempts, bury_all=bury_all)
        except Exception as error:
            await self._remember(polled, error)
            raise

    async def _remember(self, polled: Polled, error: Exception) -> None:
        if fate_of(error) is Fate.POISON and not isinstance(error, UnknownPosition):
            await self._batches.attempts.failed({tp: raws[0].offset for tp, raws in polled.items()}, cause_of(error))

    async def _alone(
        self, tp: TopicPartition, polled: Polled, fetched_from: Offsets, attempt: Attempt
    ) -> AsyncGenerator[Outcome, None]:
        """One record a transaction, each start remembered; the first is buried if it was the last of several deaths."""
        raws, attempts = polled[tp], self._batches.attempts
        origin = fetched_from.get(tp, raws[0].offset)
        if _step(tp, attempt) is Step.BURY:
            yield await self._batches.buried(raws[0], {tp: origin}, attempt)
            origin, raws = raws[0].offset + 1, raws[1:]
        for raw in raws:
            attempts.doubt([tp])
            alone = await attempts.begin({tp: raw.offset}, alone=True)
            outcome = await self._one_by_one({tp: [raw]}, {tp: origin}, alone, bury_all=True)
            yield outcome
            if outcome.seek:
                return
            origin = raw.offset + 1


def _step(tp: TopicPartition, attempt: Attempt) -> Step:
    """A dead letter has no dead letters. It is tried alone at each start: what killed the process may be mended."""
    return Step.ALONE if attempt.step is Step.BURY and is_dead(tp.topic) else attempt.step
