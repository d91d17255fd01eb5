"""What happens in the workspace, as a stream for the page: watchers never slow the simulation down.

A watcher that falls behind loses the oldest entries and sees so in `missed`.
"""

import asyncio
from collections.abc import AsyncIterator

from sandbox.slack.model import Json

QUEUE_LENGTH = 10_000


class Watcher:
    """One subscription; iterate over it, or use `queue` directly; `close` it at the end."""

    def __init__(self, live: "Live") -> None:
        self._live = live
        self.queue: asyncio.Queue[Json] = asyncio.Queue(QUEUE_LENGTH)
        self.missed = 0

    def close(self) -> None:
        """Ends the subscription."""
        self._live.forget(self)

    async def __aiter__(self) -> AsyncIterator[Json]:
        while True:
            yield await self.queue.get()


class Live:
    """Hands each happening to every watcher."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []

    def subscribe(self) -> Watcher:
        """A new watcher, from now on."""
        watcher = Watcher(self)
        self._watchers.append(watcher)
        return watcher

    def forget(self, watcher: Watcher) -> None:
        """Drops a watcher."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def happened(self, kind: str, details: Json) -> None:
        """Tells all watchers `{"platform": "slack", "kind": kind, ...details}`."""
        if not self._watchers:
            return
        entry = {"platform": "slack", "kind": kind} | details
        for watcher in self._watchers:
            if watcher.queue.full():
                watcher.queue.get_nowait()
                watcher.missed += 1
            watcher.queue.put_nowait(entry)
