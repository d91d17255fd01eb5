"""What a person can choose about a measurement."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.stack.paths import ROOT, STATE

RESULTS = ROOT / "bench" / "results.json"
OVERLOAD_RESULTS = ROOT / "bench" / "overload-results.json"


@dataclass(frozen=True, slots=True)
class Options:
    """`messages` are sent for the throughput; `latency_seconds` is how long `rate` messages a second are sent; `one` is
    the number of messages that go alone. With `overload_minutes` nothing of that is measured, but bench/overload.py.
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
    overload_minutes: float | None = None
    overload_rate: float = 1000.0
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
    parser.add_argument(
        "--overload", dest="overload_minutes", metavar="MINUTES", type=float, nargs="?", const=5.0,
        help="offer more than Okno is rated for, for so long (default 5), and see that nothing is lost",
    )  # fmt: skip
    parser.add_argument("--overload-rate", type=float, help="messages a second of the overload (default 1000)")
    parser.add_argument("--sampling-ratio", type=float, help="share of journeys that are traced (default 0.1)")
    parser.add_argument("--results", type=Path, help="where the results go (default bench/results.json)")
    given = parser.parse_args(arguments)
    options = QUICK if given.quick else Options()
    named = (
        "rounds", "messages", "memory_minutes", "profile", "overload_minutes", "overload_rate", "sampling_ratio",
        "results",
    )  # fmt: skip
    chosen = {name: value for name in named if (value := getattr(given, name)) is not None}
    if chosen.get("rounds", 1) < 1 or chosen.get("messages", 100) < 100:
        parser.error("--rounds is at least 1, --messages at least 100")
    if not 0 <= chosen.get("sampling_ratio", 0) <= 1:
        parser.error("--sampling-ratio is a share from 0 to 1")
    if chosen.get("overload_minutes", 1) <= 0 or chosen.get("overload_rate", 200) <= options.rate:
        parser.error(f"--overload is a time, --overload-rate more than the {options.rate:g} that Okno is rated for")
    if "overload_minutes" in chosen:
        chosen.setdefault("results", OVERLOAD_RESULTS)
    return replace(options, **chosen)
