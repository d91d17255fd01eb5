"""Router processes as they run in production, to be killed and stopped by their process id."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


class RouterProcess:
    """`okno run router` with its environment; what it logs goes to `log`."""

    def __init__(
        self, name: str, *, dsn: str, kafka: str, folder: Path, faults: str = "", mode: str = "decide"
    ) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": dsn,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "PROCESS_NAME": name,
            "PROBE_PORT": "0",
            "ROUTER_MODE": mode,
            "FAULT_DIRECTORY": str(folder),
            "FAULT_POINTS": faults,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> RouterProcess:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cli", "run", "router", env=self._environment, cwd=ROOT, stdout=log, stderr=log
            )
        return self

    async def died(self) -> int:
        """Wait for its end; the exit code (negative: the signal)."""
        assert self._process is not None
        async with asyncio.timeout(60):
            return await self._process.wait()

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """End it in order; the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self.died()

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def until_logged(self, text: str) -> None:
        async with asyncio.timeout(60):
            while text not in self.log.read_text():
                await asyncio.sleep(0.02)

    def reached(self, point: str) -> bool:
        """Whether the fault point acted."""
        return (self.folder / f"{point}.reached").exists()

    async def until_reached(self, point: str) -> None:
        async with asyncio.timeout(60):
            while not self.reached(point):
                await asyncio.sleep(0.02)
