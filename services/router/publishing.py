"""The owner of a partition publishes what was decided from it, right after each commit and before deciding further.

Each consumed partition has a lane of the outbox. Rows of a lane are published in the order of their ids by whoever
committed them, by the partition's next owner before its first batch, and by an unhurried sweep for what both missed
(the committer died between the next owner's look and its own publishing, and nothing came since). The sweep also
deletes what was published, so a crash repeats a second's rows at most. Repeated rows have the same command ids.

After a commit that surely happened, rows are published from memory. That is in order, because its position stood where
this process had read or left it: nobody else has written to the lane since it was last looked through. The outbox is
read back where a batch was taken apart or wrote dead letters; and, for all that is owned, where a commit may have
failed or another process has moved a position: it may have died before publishing.

In observe mode nothing is decided to be published; dead letters, and what was decided before, still leave.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Protocol

from chassis.batches import Outcome
from chassis.error_text import describe
from chassis.errors import Fate, fate_of
from chassis.faults import fault_point
from chassis.logs import get_logger
from chassis.outbox import OutboxRow
from chassis.relay import Relay
from services.router.worker import lane_of

SWEEP_SECONDS = 1.0

log = get_logger("router")


class Owner(Protocol):
    """The consumer, as far as it says what this process owns."""

    @property
    def partitions(self) -> set[tuple[str, int]]: ...


class Publishing:
    """What `Consumer` calls around its batches, and the sweep."""

    def __init__(self, relay: Relay, *, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self._relay = relay
        self._sweep_seconds = sweep_seconds
        self._owner: Owner | None = None
        self._lanes: set[int] = set()
        """Where rows may wait to be published."""
        self._rows: list[tuple[int, OutboxRow]] = []
        """What the handler wrote since the last publishing, with its ids."""
        self._written_at = 0.0
        self._stopping = asyncio.Event()

    def follow(self, owner: Owner) -> None:
        """Sweep the lanes of what `owner` owns."""
        self._owner = owner

    def wrote(self, ids: Sequence[int], rows: Sequence[OutboxRow]) -> None:
        """A transaction under way has written these rows."""
        self._lanes.update(row.lane for row in rows)
        self._rows.extend(zip(ids, rows, strict=True))
        self._written_at = time.monotonic()

    def dead_letter_lane(self, topic: str, partition: int) -> int:
        lane = lane_of(topic, partition)
        self._lanes.add(lane)
        return lane

    async def after_commit(self, outcome: Outcome | None) -> None:
        """Publish what was written since the last time. Repeatable: after an error the outbox itself is read."""
        rows, self._rows = self._rows, []
        if outcome is None:
            self._lanes |= self._owned()
        if not self._lanes:
            return
        if outcome is not None and outcome.whole and not outcome.dead:
            await self._relay.publish_written(rows, time.monotonic() - self._written_at)
        else:
            await self._relay.publish_once(self._lanes)
        await fault_point("router.published")
        self._lanes.clear()

    async def on_assigned(self, partitions: Collection[tuple[str, int]]) -> None:
        """Publish what a former owner committed and didn't publish."""
        if partitions:
            await self._relay.publish_once(_lanes(partitions))

    async def sweep(self) -> None:
        """Look for left-over rows of the owned lanes now and then, and after `stop` once more, owning nothing."""
        ends = False
        while not ends:
            try:
                async with asyncio.timeout(self._sweep_seconds):
                    ends = await self._stopping.wait()
            except TimeoutError:
                pass
            await self._sweep_once()

    async def _sweep_once(self) -> None:
        """Without lanes this only deletes what was published."""
        try:
            await self._relay.publish_once(self._owned())
        except Exception as error:
            if fate_of(error) is not Fate.TRANSIENT:
                raise
            log.info("sweep_failed", error=describe(error))  # the consumer's own publishing fails loudly

    def _owned(self) -> set[int]:
        return set() if self._owner is None else _lanes(self._owner.partitions)

    def stop(self) -> None:
        """End `sweep`."""
        self._stopping.set()


def _lanes(partitions: Collection[tuple[str, int]]) -> set[int]:
    return {lane_of(topic, partition) for topic, partition in partitions}
