"""Pauses between retries grow, differ from process to process, and end: no failure is retried for ever."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds. `patience` bounds the time since the first failure in a row.

    It stays far below Kafka's `max_poll_interval_ms` (300 s), so that a waiting consumer keeps its partitions.
    """

    first: float = 0.05
    factor: float = 2.0
    longest: float = 5.0
    patience: float = 120.0

    def pause(self, failures: int, elapsed: float, spread: float | None = None) -> float | None:
        """The pause after the `failures`-th failure in a row (from 1), or None when patience is over.

        `elapsed` is the time since the first of them; `spread` in [0, 1) replaces the random jitter in tests.
        """
        if elapsed >= self.patience:
            return None
        full: float = min(self.longest, self.first * self.factor ** min(failures - 1, 32))
        jitter = random.random() if spread is None else spread
        return full * (0.5 + 0.5 * jitter)
