"""Breaking one process of the running stack at a named fault point, and mending it again."""

from __future__ import annotations

from pathlib import Path

import psutil

from sandbox.stack.stack import Stack
from tests.end_to_end.support.waiting import until


class Faults:
    """Every method leaves the process as it says or raises."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._folder = stack.state / "reached"

    def _marker(self, point: str) -> Path:
        return self._folder / f"{point}.reached"

    async def arm(self, process: str, point: str, action: str = "kill") -> None:
        """Start the process again so that the point will do `action` (kill, stop, ...)."""
        self._marker(point).unlink(missing_ok=True)
        await self._stack.kill(process)
        env = {"FAULT_POINTS": f"{point}={action}", "FAULT_DIRECTORY": str(self._folder)}
        await self._stack.start_process(process, env=env)

    def reached(self, point: str) -> bool:
        return self._marker(point).exists()

    async def has_fallen(self, process: str, point: str) -> bool:
        """Whether the process has died at the point."""
        return self.reached(point) and not self._stack.process(process).alive()

    async def fallen(self, process: str, point: str, *, seconds: float = 30) -> None:
        """Wait until the process has died at the point."""

        async def dead() -> bool:
            return await self.has_fallen(process, point)

        await until(dead, what=f"{process} killed at {point}", seconds=seconds)

    async def stopped(self, process: str, point: str, *, seconds: float = 30) -> None:
        """Wait until the process stands still at the point."""

        async def still() -> bool:
            status = psutil.Process(self._stack.process(process).pid).status()
            return self.reached(point) and status == psutil.STATUS_STOPPED

        await until(still, what=f"{process} stopped at {point}", seconds=seconds)

    async def mend(self, process: str) -> None:
        """The same command and environment without the fault; returns when the process is ready."""
        await self._stack.kill(process)
        await self._stack.start_process(process, env={"FAULT_POINTS": ""})

    async def mend_all(self) -> None:
        """Whatever a test left armed, stopped or dead runs as before."""
        for process in self._stack.info.processes:
            if self._stack.process(process).launch.env.get("FAULT_POINTS"):
                await self.mend(process)
