"""What a person can choose about a measurement."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.stack.paths import ROOT, STATE

RESULTS = ROOT / "bench" / "results.json"


@dataclass(frozen=True, slots=True)
class Options:
    """`messages` are sent for the throughput; `latency_seconds` is how long `rate` messages a second are sent; `one` is
    the number of messages that go alone.
    """

    rounds: int = 3
    messages: int = 10_000
    warm_up: int = 1_500
    connections: int = 64
    rate: float = 100.0
    latency_seconds: float = 20.0
    one: int = 200
    memory_minutes: float = 1.0
    sampling_ratio: float = 0.1
    profile: str | None = None
    results: Path = RESULTS
    state: Path = STATE / "bench"


QUICK = Options(rounds=1, messages=1_500, warm_up=300, latency_seconds=4.0, one=30, memory_minutes=0.0)


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="how often floor and Okno alternate (default 3)")
    parser.add_argument("--messages", type=int, help="messages of a throughput measurement (default 10000)")
    parser.add_argument("--memory-minutes", type=float, help="load before the memory peak is read (default 1)")
    parser.add_argument("--quick", action="store_true", help="a smoke test of under a minute; its figures say little")
    parser.add_argument("--profile", metavar="PROCESS", help="run one process of Okno (router-0, ...) under cProfile")
    parser.add_argument("--results", type=Path, help=f"where the results go (default {RESULTS.relative_to(ROOT)})")
    given = parser.parse_args(arguments)
    options = QUICK if given.quick else Options()
    named = ("rounds", "messages", "memory_minutes", "profile", "results")
    chosen = {name: value for name in named if (value := getattr(given, name)) is not None}
    if chosen.get("rounds", 1) < 1 or chosen.get("messages", 100) < 100:
        parser.error("--rounds is at least 1, --messages at least 100")
    return replace(options, **chosen)
