"""On what campaigns ran: hardware and versions, never a host's or a person's name."""

from __future__ import annotations

import platform
import subprocess

import psutil

from sandbox.stack.paths import ROOT


def describe() -> dict[str, str | int | float]:
    return {
        "commit": _commit(),
        "cores": psutil.cpu_count() or 0,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _commit() -> str:
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
