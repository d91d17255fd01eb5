"""From rounds to results: the figures of results.json, what is to be reached, and the table on the screen."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.numbers import Spread, ratio
from bench.options import Options
from bench.rounds import Measured, Rounds
from bench.side import SERVERS, STAND_INS

Results = dict[str, Any]
Take = Callable[[Measured], float]

MEMORY_LIMIT_MB = 120


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of the results, and what it must reach."""

    name: str
    path: tuple[str, ...]
    limit: float
    at_least: bool = False

    def reached(self, results: Results) -> bool:
        value = self.value(results)
        return value >= self.limit if self.at_least else value <= self.limit

    def value(self, results: Results) -> float:
        found: Any = results
        for step in self.path:
            found = found[step]
        return float(found)


TARGETS = (
    Target("throughput, by the floor's", ("throughput", "ratio"), 0.5, at_least=True),
    Target("latency at 100/s p50, by the floor's", ("latency_100", "p50_ratio"), 2),
    Target("latency at 100/s p99, by the floor's", ("latency_100", "p99_ratio"), 3),
    Target("memory of the largest process, MB", ("memory_largest_mb",), MEMORY_LIMIT_MB),
)


def results_of(rounds: Rounds, options: Options, **about: Any) -> Results:
    """Everything that results.json holds."""
    latency_100 = _latency(rounds, lambda m: m.at_rate)
    memory = {name: round(value, 1) for name, value in sorted(rounds.memory_mb.items())}
    measured = [value for name, value in memory.items() if name not in (*SERVERS, *STAND_INS)]
    results: Results = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **about,
        "sampling_ratio": options.sampling_ratio,
        "options": {
            name: getattr(options, name)
            for name in ("rounds", "messages", "connections", "rate", "latency_seconds", "one", "memory_minutes")
        },
        "throughput": _compared(rounds, lambda m: m.throughput.per_second, "messages_per_second"),
        "latency_100": latency_100,
        "latency_one": _latency(rounds, lambda m: m.one),
        "memory_mb": memory,
        "memory_largest_mb": max(measured),
        "floor_memory_mb": {name: round(value, 1) for name, value in rounds.floor[-1].memory_mb.items()},
        "cpu_us_per_message": _cpu(rounds.okno),
        "floor_cpu_us_per_message": _cpu(rounds.floor),
        "rows_per_message": {"floor": rounds.floor[-1].rows, "okno": rounds.okno[-1].rows},
        "generator_cpu_share": {
            name: round(statistics.median(m.throughput.generator_share for m in side), 3)
            for name, side in (("floor", rounds.floor), ("okno", rounds.okno))
        },
    }
    results["cpu_ratio"] = round(
        results["cpu_us_per_message"]["total"] / results["floor_cpu_us_per_message"]["total"], 3
    )
    results["targets"] = {
        ".".join(target.path): {
            "value": target.value(results),
            "at_least" if target.at_least else "at_most": target.limit,
            "reached": target.reached(results),
        }
        for target in TARGETS
    }
    return results


def _compared(rounds: Rounds, take: Take, unit: str) -> Results:
    okno, floor = [take(m) for m in rounds.okno], [take(m) for m in rounds.floor]
    within = ratio(okno, floor)
    return {
        "ratio": within.median,
        "ratio_spread": [within.least, within.most],
        "okno": {unit: Spread.of(okno).plain()},
        "floor": {unit: Spread.of(floor).plain()},
    }


def _latency(rounds: Rounds, of: Callable[[Measured], Any]) -> Results:
    found: Results = {"okno": {}, "floor": {}}
    for name in ("p50", "p99", "answer_p50", "answer_p99"):
        compared = _compared(rounds, lambda m, name=name: getattr(of(m).latency, f"{name}_ms"), f"{name}_ms")  # type: ignore[misc]
        found[f"{name}_ratio"] = compared["ratio"]
        found[f"{name}_ratio_spread"] = compared["ratio_spread"]
        for side in ("okno", "floor"):
            found[side] |= compared[side]
    for side, measured in (("okno", rounds.okno), ("floor", rounds.floor)):
        later = [value for m in measured if (value := of(m).latency.after_commit_ms) is not None]
        if later:
            found[side]["seen_after_commit_ms"] = round(statistics.median(later), 3)
    return found


def _cpu(measured: Sequence[Measured]) -> dict[str, float]:
    names = measured[0].throughput.cpu_us
    found = {name: round(statistics.median(m.throughput.cpu_us[name] for m in measured), 1) for name in names}
    found["total"] = round(statistics.median(sum(m.throughput.cpu_us.values()) for m in measured), 1)
    return found
