"""A gate that lets work in, or no more and waits until all that is inside has left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Gate:
    """`async with gate.inside():` waits while it is closed."""

    def __init__(self) -> None:
        self._open, self._empty = asyncio.Event(), asyncio.Event()
        self._open.set()
        self._empty.set()
        self._inside = 0

    @contextlib.asynccontextmanager
    async def inside(self) -> AsyncIterator[None]:
        await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @contextlib.asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Nobody is inside for as long as the block takes."""
        self._open.clear()
        try:
            await self._empty.wait()
            yield
        finally:
            self._open.set()
