"""Where and of what a result was measured: hardware and versions, never a host's or a person's name."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from sandbox.stack.paths import ROOT


def describe(postgres: str) -> dict[str, str | int | float]:
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count() or 0,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "aiokafka": version("aiokafka"),
        "asyncpg": version("asyncpg"),
        "postgres": postgres,
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def commit() -> str:
    """The commit that was measured; with a plus when the tree has changes that aren't committed."""
    try:
        named = _git("rev-parse", "HEAD")
        return named + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
