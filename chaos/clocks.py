"""A process's own clock, set forward or back while it runs: libfaketime, loaded before everything else, adds what a
file says to the time of day. The monotonic clock, the machine's and everybody else's stay as they are.

What was set is seen within a second: the library reads its file so often. Under it `time.sleep` fails (0.9.10 gets
absolute sleeps wrong), which no service calls: event loops and waiting threads use other calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path

import psutil

from chaos.nemesis_plan import PROCESSES, Group

_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1",
           "/usr/local/lib/faketime/libfaketimeMT.so.1")  # fmt: skip
MISSING = (
    "Clocks are left alone: libfaketime isn't installed (Debian, Ubuntu: apt-get install libfaketime). Without them a "
    "seed has another order of faults."
)


def library(places: Sequence[str] = _PLACES) -> str | None:
    """The library for programs with threads; None when it isn't installed."""
    return next((found for place in places for found in sorted(glob(place))), None)  # noqa: PTH207 - an absolute pattern


def breakable(groups: Sequence[Group], found: str | None) -> tuple[Group, ...]:
    """The groups of faults that this machine can do."""
    return tuple(group for group in groups if group != "clocks" or found is not None)


class Clocks:
    """`env` is what the processes need, by name; nothing without the library."""

    def __init__(self, folder: Path, found: str | None) -> None:
        self._folder = folder
        self._found = found

    @property
    def env(self) -> dict[str, dict[str, str]]:
        if self._found is None:
            return {}
        common = {
            "LD_PRELOAD": self._found, "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
        }  # fmt: skip
        return {name: {**common, "FAKETIME_TIMESTAMP_FILE": str(self._file(name))} for name in PROCESSES}

    def prepare(self) -> None:
        """All clocks are right."""
        for name in PROCESSES if self._found is not None else ():
            self.set(name, 0.0)

    def set(self, process: str, by: float) -> None:
        """From now on the process's clock is wrong by so many seconds."""
        file = self._file(process)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        draft.write_text(f"{by:+.3f}\n")
        draft.replace(file)

    def clear(self) -> None:
        """Remove what the library leaves in shared memory for a process that was killed: one that gets the same number
        later would refuse to start.
        """
        for left in Path("/dev/shm").glob("*faketime_s*_*") if self._found is not None else ():  # noqa: S108
            number = left.name.rpartition("_")[2]
            if number.isdigit() and not psutil.pid_exists(int(number)):
                left.unlink(missing_ok=True)

    def _file(self, process: str) -> Path:
        return self._folder / process
