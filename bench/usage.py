"""What processes cost: seconds of CPU, and resident memory. Both as the kernel counts them, so nothing is missed
between two looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil


def cpu_seconds(pid: int) -> float:
    """Of a process and all its children, living or gone (PostgreSQL's backends)."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system
    return total


def peak_megabytes(pid: int) -> float:
    """The most that was ever resident, by the kernel's own high-water mark; elsewhere than on Linux what is now."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return psutil.Process(pid).memory_info().rss / 1024 / 1024


def spent(before: Mapping[str, float], after: Mapping[str, float], messages: int) -> dict[str, float]:
    """Microseconds of CPU a message, by process."""
    return {name: (after[name] - before[name]) / messages * 1e6 for name in before}
