"""Medians, spreads and ratios. A ratio is taken within a round, where both sides met the same machine; the median of
the rounds' ratios is the result.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all values don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all rounds."""

    median: float
    least: float
    most: float
    rounds: list[float]

    @classmethod
    def of(cls, values: Sequence[float], digits: int = 2) -> Spread:
        rounded = [round(value, digits) for value in values]
        return cls(round(statistics.median(values), digits), min(rounded), max(rounded), rounded)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def ratio(okno: Sequence[float], floor: Sequence[float]) -> Spread:
    """Okno's figure by the floor's, round by round."""
    return Spread.of([mine / least for mine, least in zip(okno, floor, strict=True)], 3)
