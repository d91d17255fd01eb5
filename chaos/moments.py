"""Breaking a process in the very moment in which it passes a fault point.

Each point of each process waits for a file that says what it does, so nothing is started anew to be broken, and what
was broken starts as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import psutil

from chaos.nemesis_plan import POINTS
from sandbox.stack.stack import Stack

PATIENCE_SECONDS = 8.0
LOOK_SECONDS = 0.05


def breakable(folder: Path) -> dict[str, dict[str, str]]:
    """What makes the processes breakable: settings by process."""
    return {
        process: {
            "FAULT_POINTS": ",".join(f"{point}=file:{folder / process / point}" for point in points),
            "FAULT_DIRECTORY": str(folder / process),
        }
        for process, points in POINTS.items()
    }


class Moments:
    """The fault points of one stack."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder

    async def strike(self, process: str, point: str, action: str) -> bool:
        """Kill or stop the process at the point; False when it didn't pass there in time."""
        folder = self._folder / process
        folder.mkdir(parents=True, exist_ok=True)
        reached, armed = folder / f"{point}.reached", folder / point
        reached.unlink(missing_ok=True)
        draft = folder / f"{point}.draft"
        draft.write_text(action)
        draft.replace(armed)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        while not (reached.exists() and self._down(process)):
            if loop.time() > deadline and armed.exists():
                armed.unlink(missing_ok=True)
                if not reached.exists():
                    return False
            if not reached.exists() and not self._stack.process(process).alive():
                armed.unlink(missing_ok=True)
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    def _down(self, process: str) -> bool:
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self._stack.process(process).pid).status() in {
                psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD,
            }  # fmt: skip
        return True
