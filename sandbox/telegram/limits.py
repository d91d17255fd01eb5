"""How much a bot may send: about one message a second to a chat, 20 a minute to a group, 30 a second in all.

Invariant: a refused call uses up nothing; `retry_after` is enough for the same call to be taken.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

SWEEP_AFTER = 10_000


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Messages per window; None switches one limit off. Source of the figures: Bots FAQ."""

    per_chat: int | None = 1
    per_chat_seconds: float = 1.0
    per_group: int | None = 20
    per_group_seconds: float = 60.0
    total: int | None = 30
    total_seconds: float = 1.0


class Throttle:
    """Sliding windows of one bot's messages."""

    def __init__(self, limits: RateLimits | None) -> None:
        self.limits = limits
        self._windows: dict[tuple[str, int], deque[float]] = {}

    def take(self, chat_id: int, *, group: bool, now: float) -> int:
        """0 when the message may go (and is counted), else the whole seconds to wait."""
        if self.limits is None:
            return 0
        limits = self.limits
        rules = [(("chat", chat_id), limits.per_chat, limits.per_chat_seconds)]
        if group:
            rules.append((("group", chat_id), limits.per_group, limits.per_group_seconds))
        rules.append((("total", 0), limits.total, limits.total_seconds))
        wait = max(self._wait(key, count, seconds, now) for key, count, seconds in rules)
        if wait > 0:
            return max(1, math.ceil(wait))
        for key, count, _ in rules:
            if count is not None:
                self._windows.setdefault(key, deque()).append(now)
        if len(self._windows) > SWEEP_AFTER:
            self._sweep(now)
        return 0

    def _wait(self, key: tuple[str, int], count: int | None, seconds: float, now: float) -> float:
        """Seconds until the window has room."""
        times = self._windows.get(key)
        if count is None or not times:
            return 0.0
        while times and times[0] <= now - seconds:
            times.popleft()
        return times[-count] + seconds - now if len(times) >= count else 0.0

    def _sweep(self, now: float) -> None:
        longest = max(self.limits.per_group_seconds, 60.0) if self.limits else 60.0
        self._windows = {key: times for key, times in self._windows.items() if times and times[-1] > now - longest}
