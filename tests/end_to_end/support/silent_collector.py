"""A trace collector that takes every request and never answers; it knows whose requests hang."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class SilentCollector:
    """At a port of this machine. `hanging`: the requests that wait now, by number, with who sent them."""

    def __init__(self, port: int) -> None:
        self.hanging: dict[int, str] = {}
        self._port = port
        self._numbers = itertools.count(1)

    def url(self, sender: str) -> str:
        """The address that tells a sender from the others."""
        return f"http://127.0.0.1:{self._port}/{sender}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Outside of it connections are refused."""
        server = await asyncio.start_server(self._take, "127.0.0.1", self._port)
        try:
            yield
        finally:
            server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        try:
            with suppress(ConnectionError):
                if request := await reader.readline():
                    self.hanging[number] = request.split(b"/")[1].decode()
                    await reader.read()  # until the sender has had enough
        finally:
            self.hanging.pop(number, None)
            writer.close()
