"""The owner of a partition publishes what was decided from it, right after each commit and before deciding further.

Each consumed partition has a lane of the outbox. Rows of a lane are published in the order of their ids by whoever
committed them, by the partition's next owner before its first batch, and by an unhurried sweep for what both missed
(the committer died between the next owner's look and its own publishing). Repeated rows have the same command ids.

In observe mode nothing is decided to be published; dead letters, and what was decided before, still leave.
"""

import asyncio
from collections.abc import Collection
from typing import Protocol

from chassis.error_text import describe
from chassis.errors import Fate, fate_of
from chassis.faults import fault_point
from chassis.logs import get_logger
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
        self._written: set[int] = set()
        self._stopping = asyncio.Event()

    def follow(self, owner: Owner) -> None:
        """Sweep the lanes of what `owner` owns."""
        self._owner = owner

    def wrote(self, lane: int) -> None:
        """A transaction under way writes to this lane."""
        self._written.add(lane)

    def dead_letter_lane(self, topic: str, partition: int) -> int:
        lane = lane_of(topic, partition)
        self.wrote(lane)
        return lane

    async def after_commit(self) -> None:
        """Publish the lanes written since the last time. Repeatable: after an error it is all done again."""
        if self._written:
            written = frozenset(self._written)
            await self._relay.publish_once(written)
            await fault_point("router.published")
            self._written -= written

    async def on_assigned(self, partitions: Collection[tuple[str, int]]) -> None:
        """Publish what a former owner committed and didn't publish."""
        if partitions:
            await self._relay.publish_once({lane_of(topic, partition) for topic, partition in partitions})

    async def sweep(self) -> None:
        """Look for left-over rows of the owned lanes now and then, until `stop`."""
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._sweep_seconds):
                    await self._stopping.wait()
            except TimeoutError:
                await self._sweep_once()

    async def _sweep_once(self) -> None:
        owned = self._owner.partitions if self._owner is not None else set()
        if not owned:
            return
        try:
            await self._relay.publish_once({lane_of(topic, partition) for topic, partition in owned})
        except Exception as error:
            if fate_of(error) is not Fate.TRANSIENT:
                raise
            log.info("sweep_failed", error=describe(error))  # the consumer's own publishing fails loudly

    def stop(self) -> None:
        """End `sweep`."""
        self._stopping.set()
