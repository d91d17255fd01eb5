"""`python -m bench.profiling OUT -m cli run router`: runs a module and counts, each millisecond of CPU time, which
functions are at work.

Unlike a tracer it hardly slows the process, and waiting costs nothing: the shares are shares of CPU time.
"""

from __future__ import annotations

import atexit
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import orjson

from sandbox.stack.paths import ROOT
from sandbox.stack.stack import CommandOf, okno_command

EVERY_SECONDS = 0.001
LINES = 40


def profiled(process: str, into: Path) -> CommandOf:
    """The command lines of Okno's processes; that of one of them is sampled and writes `into` at its end."""

    def command(kind: str, name: str) -> list[str]:
        usual = okno_command(kind, name)
        return [usual[0], "-m", "bench.profiling", str(into), *usual[1:]] if name == process else usual

    return command


class Samples:
    """How often a function was at work itself, and how often it or something it called."""

    def __init__(self) -> None:
        self.taken = 0
        self.own: Counter[str] = Counter()
        self.total: Counter[str] = Counter()

    def take(self, _signal: int, frame: FrameType | None) -> None:
        self.taken += 1
        seen: set[str] = set()
        while frame is not None:
            code = frame.f_code
            name = f"{code.co_filename}:{code.co_firstlineno}:{code.co_qualname}"
            if not seen:
                self.own[name] += 1
            seen.add(name)
            frame = frame.f_back
        self.total.update(seen)

    def plain(self) -> dict[str, object]:
        return {"taken": self.taken, "own": self.own, "total": self.total}


def begin(into: Path) -> None:
    """Sample until `stop_starting` or the end; write at the end."""
    samples = Samples()
    signal.signal(signal.SIGPROF, samples.take)
    signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)

    def write() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        into.write_bytes(orjson.dumps(samples.plain()))

    atexit.register(write)


def hot_spots(written: Path, cpu_us: float) -> list[str]:
    """Microseconds a message by function, its own and with all that it called, given those of the whole process."""
    made = orjson.loads(written.read_bytes())
    lines = []
    for title, counts in (("by themselves", made["own"]), ("with all that they called", made["total"])):
        lines += ["", f"Functions {title}, microseconds of CPU a message (of {cpu_us:.0f})"]
        for name, count in sorted(counts.items(), key=lambda pair: -pair[1])[:LINES]:
            lines.append(f"  {count / made['taken'] * cpu_us:7.1f}  {_short(name)}")
    return lines


def _short(name: str) -> str:
    path, _, rest = name.partition(":")
    for root in (f"{ROOT}/", "site-packages/", "lib/python"):
        if root in path:
            path = path.rpartition(root)[2]
            break
    return f"{path}:{rest}"


def main(arguments: list[str]) -> None:
    """`arguments`: where to write, -m, a module, its arguments."""
    into, _, module, *rest = arguments
    begin(Path(into))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
