"""Who goes next: of the partitions that this process owns, the due heads of conversations whose buckets have room.

- A conversation's operations go one after another, many conversations go at once, bounded by `in_flight`.
- Half of the room goes to the longest due, half to what was written last: after an hour's outage nobody is forgotten,
  and a fresh conversation doesn't wait behind the backlog of others (docs/decisions/0011-half-for-the-latest.md).
- A channel gets one call a turn, so none waits behind another's backlog.
- A notice that waited too long is cancelled before anything is chosen; it takes no room.
- Nothing is decided from memory but the channels' buckets: a process that dies or loses a partition loses no order.

The loop is woken when instructions were committed or a call ended, and otherwise looks again when the next operation
is due or a bucket has room, at least once a second (which is when a pause or its end is noticed).
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chassis import metrics
from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import Fate, fate_of
from chassis.logs import get_logger
from contracts.keys import ChannelKey, Platform
from services.notifier import limits, shared_limits
from services.notifier.ledger import leases, notices
from services.notifier.ledger.leases import Candidate, Lease
from services.notifier.limits import ChannelLimits
from services.notifier.worker import Worker

POLL_SECONDS = 1.0
LOOK_AHEAD = 4
"""Candidates read for each free place."""

SAMPLE_SECONDS = 10.0
FAILURE_SECONDS = 1.0
STALE_WAITS = 10_000
NOTICE_MAX_AGE = timedelta(minutes=15)

log = get_logger("dispatch")


@dataclass(slots=True)
class _Turn:
    """What a look at the ledger came to."""

    leased: int
    more: bool
    wait: float


class Dispatcher:
    """The loop. `partitions` tells what this process owns now; `lease_seconds` are by platform."""

    def __init__(
        self,
        *,
        database: Database,
        worker: Worker,
        limits: ChannelLimits,
        clock: Clock,
        partitions: Callable[[], Collection[int]],
        lease_seconds: dict[str, float],
        notice_max_age: timedelta = NOTICE_MAX_AGE,
        in_flight: int = 64,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._worker = worker
        self._limits = limits
        self._clock = clock
        self._partitions = partitions
        self._lease_seconds = lease_seconds
        self._notice_max_age = notice_max_age
        self._in_flight = in_flight
        self._committed = committed
        self._woken = asyncio.Event()
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_hand: set[str] = set()
        """Instructions that the tasks carry out."""
        self._closed_buckets: dict[str, float] = {}
        """Shared buckets without room, and until when (monotonic)."""
        self._waiting_since: dict[str, float] = {}
        """Since when (monotonic) an operation that is due waits for room."""
        self._last_turn = clock.monotonic()
        self._sampled = float("-inf")
        self._gauges = {(str(platform), "queued") for platform in Platform}

    def wake(self) -> None:
        """Something changed in the ledger."""
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing new; `run` ends when the calls in hand have."""
        self._stopping = True
        self._woken.set()

    def last_turn_age(self) -> float:
        """Seconds since the loop last turned."""
        return self._clock.monotonic() - self._last_turn

    async def run(self) -> None:
        """Dispatch until `stop`."""
        try:
            while not self._stopping:
                self._woken.clear()
                await self._rest(await self._look())
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _look(self) -> float:
        """Turns until there is nothing to take; the seconds until there may be."""
        try:
            while not self._stopping:
                self._last_turn = self._clock.monotonic()
                await self._sample()
                turn = await self.turn()
                if not turn.more:
                    return turn.wait
        except Exception as error:
            if fate_of(error) is not Fate.TRANSIENT:
                raise
            log.warning("ledger_unavailable", exc_info=error)
            return FAILURE_SECONDS
        return 0.0

    async def turn(self) -> _Turn:
        """Look at the ledger once and start what may go."""
        now = self._clock.monotonic()
        partitions = self._partitions()
        room = self._in_flight - len(self._tasks)
        if not partitions or room <= 0:
            return _Turn(0, more=False, wait=POLL_SECONDS)
        await self._drop_stale(partitions)
        closed_channels = self._limits.closed(now)
        self._closed_buckets = {name: until for name, until in self._closed_buckets.items() if until > now}
        found = await leases.candidates(
            self._database,
            partitions,
            channels=closed_channels,
            errands=[errand for name in self._closed_buckets for errand in shared_limits.errands_of(name)],
            limit=room * LOOK_AHEAD,
        )
        # A coin, not a rule: where a bucket has room for one call at a time, each half is first in half of the turns.
        chosen = self._choose(in_turn(found, latest_first=random.random() < 0.5), room, now)
        granted = await self._take(chosen)
        self._closed_buckets |= {name: now + wait for name, wait in granted.closed.items()}
        leased = {lease.operation.instruction_id for lease in granted.leases}
        self._give_back(one for one in chosen if one.instruction_id not in leased)
        channels = {one.instruction_id: one.channel for one in chosen}
        for lease in granted.leases:
            self._start(lease, channels[lease.operation.instruction_id], now)
        if granted.leases:
            self._committed()
        # What was found and not leased is looked at again without what closed meanwhile; in the end nothing is found.
        more = bool(found) and (bool(leased) or bool(granted.closed))
        return _Turn(len(leased), more, POLL_SECONDS if more else await self._wait(partitions, now))

    def _choose(self, found: Collection[Candidate], room: int, now: float) -> list[Candidate]:
        """One a channel, the first first; counts them in their channels' buckets."""
        chosen: list[Candidate] = []
        channels: set[str] = set()
        if len(self._waiting_since) > STALE_WAITS:
            self._waiting_since.clear()
        for one in found:
            self._waiting_since.setdefault(one.instruction_id, now)
            if one.instruction_id in self._in_hand:
                continue  # its lease is over, and its outcome is being written
            if len(chosen) == room or one.channel in channels or self._limits.wait(one.channel, now) > 0:
                continue
            channels.add(one.channel)
            chosen.append(one)
            if limits.counts(one.channel, one.errand):
                self._limits.take(one.channel)
        return chosen

    async def _drop_stale(self, partitions: Collection[int]) -> None:
        dropped = await notices.drop(self._database, partitions, self._clock.now() - self._notice_max_age)
        if dropped:
            log.warning("stale_notices_dropped", number=dropped)
            self._committed()

    async def _take(self, chosen: Sequence[Candidate]) -> leases.Granted:
        """Lease them. Where that fails none is sent: a call that stayed counted would close its channel for ever."""
        if not chosen:
            return leases.Granted([], {})
        try:
            return await leases.take(self._database, chosen, self._lease_seconds)
        except BaseException:
            self._give_back(chosen)
            raise

    def _give_back(self, unsent: Iterable[Candidate]) -> None:
        for one in unsent:
            if limits.counts(one.channel, one.errand):
                self._limits.give_back(one.channel)

    def _start(self, lease: Lease, counted_for: ChannelKey, now: float) -> None:
        platform = lease.place.channel.platform
        since = self._waiting_since.pop(lease.operation.instruction_id, now)
        waited = max(0.0, now - since)
        metrics.rate_limit_wait.labels(platform, "channel").observe(waited)
        task = asyncio.create_task(self._worker.carry_out(lease, now, waited))
        self._tasks.add(task)
        self._in_hand.add(lease.operation.instruction_id)
        task.add_done_callback(functools.partial(self._ended, lease, counted_for))

    def _ended(self, lease: Lease, counted_for: ChannelKey, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._in_hand.discard(lease.operation.instruction_id)
        if limits.counts(counted_for, lease.errand):
            self._limits.ended(counted_for, self._clock.monotonic())
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # The lease stands, and its end brings the operation back, as after a death of the process.
            log.error("delivery_failed", exc_info=error)
        self._committed()
        self._woken.set()

    async def _wait(self, partitions: Collection[int], now: float) -> float:
        """Seconds until something becomes due or a bucket has room."""
        waits = [POLL_SECONDS, *self._limits.closed(now).values()]
        waits += [until - now for until in self._closed_buckets.values()]
        due = await leases.next_due(self._database, partitions)
        if due is not None:
            waits.append(due)
        return max(0.005, min(waits))

    async def _sample(self) -> None:
        """Gauges of what waits, every few seconds."""
        now = self._clock.monotonic()
        if now - self._sampled < SAMPLE_SECONDS:
            return
        self._sampled = now
        rows = await leases.waiting(self._database, self._partitions())
        for platform, state in self._gauges:
            metrics.deliveries_waiting.labels(platform, state).set(0)
            metrics.deliveries_oldest_age.labels(platform).set(0)
        oldest: dict[str, float] = {}
        for platform, state, number, age in rows:
            self._gauges.add((platform, state))
            metrics.deliveries_waiting.labels(platform, state).set(number)
            if state != "paused":  # somebody wants it to wait
                oldest[platform] = max(age, oldest.get(platform, 0.0))
        for platform, age in oldest.items():
            metrics.deliveries_oldest_age.labels(platform).set(age)


def in_turn(found: Collection[Candidate], *, latest_first: bool) -> list[Candidate]:
    """Alternately the longest due and the one that was written last."""
    halves = [
        sorted(found, key=lambda one: (one.due_at, one.line)),
        sorted(found, key=lambda one: one.line, reverse=True),
    ]
    if latest_first:
        halves.reverse()
    return list({one.instruction_id: one for one in itertools.chain.from_iterable(zip(*halves, strict=True))}.values())
