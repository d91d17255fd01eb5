"""The life of an embedded server: prepared once, started until it is ready, stopped, killed and started again on the
same port with the same data. What a server is and when it is ready is its subclass's.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from sandbox.stack.process import Launch, RunningProcess, start, until_ready


class EmbeddedServer(ABC):
    """`process` is the one last started; None before the first start."""

    ready_seconds: float
    """How long a start may take."""

    def __init__(self) -> None:
        self.process: RunningProcess | None = None
        self._prepared: Launch | None = None

    @abstractmethod
    def _prepare(self) -> Launch:
        """What `prepare` does, once and in a thread."""

    @abstractmethod
    async def ready(self) -> bool:
        """Whether clients are served."""

    async def prepare(self) -> Launch:
        """How the server is started: what it needs is downloaded, laid out and chosen where that is still to do."""
        if self._prepared is None:
            self._prepared = await asyncio.to_thread(self._prepare)
        return self._prepared

    async def start(self) -> None:
        """Start (or start again, recovering after a kill) and wait until it is ready."""
        if self.process is not None and self.process.alive():
            return
        process = start(await self.prepare())
        self.process = process
        try:
            await until_ready(process, self.ready, seconds=self.ready_seconds)
        except BaseException:
            await process.kill()
            raise

    async def stop(self) -> None:
        """Stop properly, as the server itself wants it: nothing is lost."""
        if self.process is not None:
            await self.process.stop()

    async def kill(self) -> None:
        """`kill -9`; returns when the server's children have left too."""
        if self.process is not None:
            await self.process.kill()

    async def restart(self) -> None:
        """Stop properly and start again on the same port with the same data."""
        await self.stop()
        await self.start()
