"""The time of a simulated platform: waits may be shortened, `now` is always the true time, because signatures and
messages carry it.

Only waits that a platform imposes (retries after minutes, rate windows) follow the clock. What it grants the app under
test, such as Slack's three seconds to answer an event, are real seconds at any speed: the app doesn't run faster.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """What a simulation asks of time."""

    speed: float
    """Simulated seconds per real second."""

    def now(self) -> float:
        """Seconds since the epoch: stamps messages and signatures."""
        ...

    def elapsed(self) -> float:
        """Simulated seconds since some fixed moment, never going back: for rate windows and schedules."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits for so many simulated seconds."""
        ...


class ScaledClock:
    """The machine's time, in which `speed` simulated seconds pass in a real one."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._base = 0.0
        self._since = time.monotonic()
        self._waits: set[asyncio.Future[None]] = set()

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        """Changes the speed from now on, for waits under way too."""
        if value <= 0:
            raise ValueError("speed must be above 0, for example 60 to make a minute pass in a second")
        self._base, self._since = self.elapsed(), time.monotonic()
        self._speed = value
        for wait in self._waits:
            if not wait.done():
                wait.set_result(None)

    def now(self) -> float:
        """Seconds since the epoch, unscaled."""
        return time.time()

    def elapsed(self) -> float:
        """Scaled seconds since the clock was made."""
        return self._base + (time.monotonic() - self._since) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Waits `seconds / speed` real seconds."""
        end = self.elapsed() + seconds
        while (left := end - self.elapsed()) > 0:
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waits.add(changed)
            try:
                await asyncio.wait([changed], timeout=left / self._speed)
            finally:
                self._waits.discard(changed)


class ManualClock:
    """Time that moves only when told to: `advance` wakes every wait whose end has come, in order."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.speed = 1.0
        self._start = now
        self._now = now
        self._slept = asyncio.Event()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        """The moment set last."""
        return self._now

    def elapsed(self) -> float:
        """Seconds advanced so far."""
        return self._now - self._start

    @property
    def waiting(self) -> list[float]:
        """How many seconds from now each wait ends, soonest first."""
        return sorted(end - self._now for end, _, future in self._sleepers if not future.done())

    async def sleep(self, seconds: float) -> None:
        """Returns when `advance` has passed `seconds` from now."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._numbers), future))
        self._slept.set()
        await future

    async def sleeping(self, count: int = 1) -> None:
        """Returns once so many wait for time to move on: what a test asks before it moves time."""
        while len(self.waiting) < count:
            self._slept.clear()
            await self._slept.wait()

    def advance(self, seconds: float) -> None:
        """Moves time forward and wakes whoever waited for it."""
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
