"""The simulation's clock.

Invariant: everything that waits or compares times in the simulated Telegram does so through one `Clock`, so a test
moves time by hand and a stack can make an hour of retries last a minute.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Dates are wall time; waits may be scaled."""

    scale: float
    """How many simulated seconds pass in a real one."""

    def now(self) -> float:
        """Wall time in seconds since 1970: what messages are dated with."""
        ...

    def elapsed(self) -> float:
        """Simulated seconds since some moment, never going back: what waits are measured in."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for simulated seconds."""
        ...


class ScaledClock:
    """Real time whose waits can be shortened: with a scale of 60 a retry after a minute comes after a second."""

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._base_elapsed = 0.0
        self._base_monotonic = time.monotonic()

    @property
    def scale(self) -> float:
        return self._scale

    @scale.setter
    def scale(self, scale: float) -> None:
        if scale <= 0:
            raise ValueError("the time scale must be greater than 0")
        self._base_elapsed = self.elapsed()
        self._base_monotonic = time.monotonic()
        self._scale = scale

    def now(self) -> float:
        return time.time()

    def elapsed(self) -> float:
        return self._base_elapsed + (time.monotonic() - self._base_monotonic) * self._scale

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._scale)


class ManualClock:
    """Time that stands still until `advance` moves it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.scale = 1.0
        self._now = now
        self._start = now
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._slept = asyncio.Event()

    def now(self) -> float:
        return self._now

    def elapsed(self) -> float:
        return self._now - self._start

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._numbers), future))
        self._slept.set()
        await future

    async def sleeping(self, count: int = 1) -> None:
        """Until so many wait for time to move on: what a test asks before it moves time."""
        while sum(not future.done() for _, _, future in self._sleepers) < count:
            self._slept.clear()
            await self._slept.wait()

    def advance(self, seconds: float) -> None:
        """Move time on and wake whoever was to be woken by then."""
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
