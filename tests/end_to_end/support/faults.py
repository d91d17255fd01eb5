"""Breaking a process of the running stack at a named fault point: each point of each process waits for a file that says
what it does (chassis/faults.py), so nothing is started anew to be broken, and what was broken starts as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

from chassis.faults import CONSUMER_POINTS, RELAY_POINTS
from sandbox.stack.stack import Stack
from tests.end_to_end.support.waiting import until


def consumer_points(prefix: str) -> list[str]:
    return [point.replace("<consumer>", prefix) for point in CONSUMER_POINTS]


def relay_points(prefix: str = "relay") -> list[str]:
    return [point.replace("<relay>", prefix) for point in RELAY_POINTS]


_ROUTER = [*consumer_points("router"), "router.published", "router.compares", *relay_points("router")]
POINTS: Mapping[str, list[str]] = {
    "ingest-slack": ["ingest.published"],
    "ingest-telegram": ["ingest.published"],
    "ingest-worker": [
        *consumer_points("ingest-worker"), *relay_points(), "backfill.read", "backfill.kept", "backfill.published",
    ],
    "router-0": _ROUTER,
    "router-1": _ROUTER,
    "ticketing-api": ["ticketing-api.handled", "ticketing-api.committed"],
    "ticketing-worker-0": [
        *consumer_points("ticketing"), "ticketing.receipts_applied", *consumer_points("ticketing-dead-letters"),
        *relay_points(), "ticketing.compares",
    ],
    "notifier-0": [
        *consumer_points("notifier"), *relay_points("notifier"),
        "notifier.compares", "notifier.leased", "notifier.posted", "notifier.recorded",
    ],
}  # fmt: skip
"""Every fault point of every process."""


def environment(folder: Path) -> dict[str, dict[str, str]]:
    """What makes the processes breakable: settings by process."""
    return {
        process: {
            "FAULT_POINTS": ",".join(f"{point}=file:{folder / process / point}" for point in points),
            "FAULT_DIRECTORY": str(folder / process),
        }
        for process, points in POINTS.items()
    }


class Faults:
    """The fault points of one stack."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder

    def arm(self, process: str, point: str, action: str = "kill") -> None:
        """The point will do `action` (kill, stop, ...) when it is reached next, once."""
        assert point in POINTS[process]
        folder = self._folder / process
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{point}.reached").unlink(missing_ok=True)
        draft = folder / f"{point}.draft"
        draft.write_text(action)
        draft.replace(folder / point)

    def reached(self, process: str, point: str) -> bool:
        return (self._folder / process / f"{point}.reached").exists()

    def has_fallen(self, process: str, point: str) -> bool:
        """Whether the process has died at the point."""
        return self.reached(process, point) and not self._stack.process(process).alive()

    async def fallen(self, process: str, point: str, *, seconds: float = 30) -> None:
        """Wait until the process has died at the point."""

        async def dead() -> bool:
            return self.has_fallen(process, point)

        await until(dead, what=f"{process} killed at {point}", seconds=seconds)

    async def stopped(self, process: str, point: str, *, seconds: float = 30) -> None:
        """Wait until the process stands still at the point."""

        async def still() -> bool:
            status = psutil.Process(self._stack.process(process).pid).status()
            return self.reached(process, point) and status == psutil.STATUS_STOPPED

        await until(still, what=f"{process} stopped at {point}", seconds=seconds)

    async def mend(self, process: str) -> None:
        """Start a dead process as it was started before; returns when it is ready."""
        await self._stack.start_process(process)

    def disarm(self) -> None:
        """No point does anything any more."""
        for process, points in POINTS.items():
            for point in points:
                (self._folder / process / point).unlink(missing_ok=True)
