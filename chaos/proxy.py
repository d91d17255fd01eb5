"""A TCP proxy on this machine: bytes pass in order, or not at all; none is ever changed.

With several targets it is a balancer: connections go round, and a target that refuses is skipped. Faults hold for all
connections of a proxy: `cut` ends those that are there, `refusing` turns new ones away, `delay` holds each piece back
for that many seconds, `stall` lets nothing pass, both ways or one, while everything stays open (half-open).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Literal, cast

HOST = "127.0.0.1"
Direction = Literal["there", "back"]
"""From who connected to the target, and the other way."""
BOTH: tuple[Direction, ...] = ("there", "back")


class Proxy:
    """Listens on `port` between `start` and `close`; `targets` are ports, and may be set later."""

    def __init__(self, port: int, targets: Sequence[int] = ()) -> None:
        self.port = port
        self.targets = tuple(targets)
        self.refusing = False
        self.delay = 0.0
        self.stalled: frozenset[Direction] = frozenset()
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._passing = asyncio.Event()
        self._passing.set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Pair(self).near, HOST, self.port)

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.cut()
            await server.wait_closed()

    @property
    def connections(self) -> int:
        return len(self._pairs)

    @property
    def held(self) -> int:
        """Bytes that were read and wait for a delay's end."""
        return sum(pair.near.held + pair.far.held for pair in self._pairs)

    def cut(self) -> None:
        """Reset every connection; what was on its way is lost."""
        for pair in list(self._pairs):
            pair.abort()

    def stall(self, *directions: Direction) -> None:
        """Both ways also new connections wait; one way they are made, and what they say that way is held back."""
        self.stalled = frozenset(directions or BOTH)
        if len(self.stalled) == len(BOTH):
            self._passing.clear()
        for pair in self._pairs:
            pair.hold()

    def lift(self) -> None:
        """End all faults; what was held back passes now, in order."""
        self.refusing, self.delay, self.stalled = False, 0.0, frozenset()
        self._passing.set()
        for pair in list(self._pairs):
            pair.release()

    # --- what connections use --------------------------------------------------------------------------------------

    def begin(self, pair: _Pair) -> bool:
        """Whether a new connection is taken."""
        if self.refusing:
            return False
        self._pairs.add(pair)
        return True

    def end(self, pair: _Pair) -> None:
        self._pairs.discard(pair)

    async def connect(self, far: _Side) -> bool:
        """To the next target that doesn't refuse; False when all do."""
        await self._passing.wait()
        loop = asyncio.get_running_loop()
        self._turn += 1
        for number in range(len(self.targets)):
            target = self.targets[(self._turn + number) % len(self.targets)]
            try:
                await loop.create_connection(lambda: far, HOST, target)
            except OSError:
                continue
            return True
        return False


class _Pair:
    """The near side was accepted, the far side is the connection to the target."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.near, self.far = _Side(self, "there"), _Side(self, "back")
        self.near.other, self.far.other = self.far, self.near
        self._connecting: asyncio.Task[None] | None = None

    def made(self, side: _Side) -> None:
        if side is self.near:
            if not self.proxy.begin(self):
                side.abort()
                return
            side.stop("connecting")
            self._connecting = asyncio.create_task(self._connect())
        if side.says in self.proxy.stalled:
            side.stop("stalled")

    async def _connect(self) -> None:
        if await self.proxy.connect(self.far):
            self.near.go("connecting")
        else:
            self.abort()

    def hold(self) -> None:
        for side in (self.near, self.far):
            if side.says in self.proxy.stalled:
                side.stop("stalled")

    def release(self) -> None:
        for side in (self.near, self.far):
            side.go("stalled")
            side.flush()

    def abort(self) -> None:
        self.proxy.end(self)
        if self._connecting is not None:
            self._connecting.cancel()
        self.near.abort()
        self.far.abort()


class _Side(asyncio.Protocol):
    """One socket. `_waiting` is what is to be written to it, each piece with its time; None ends the writing, and the
    socket too where nothing can be heard from it or its other side is gone. `says` is the way of what is
    read from it.
    """

    other: _Side

    def __init__(self, pair: _Pair, says: Direction) -> None:
        self.says = says
        self._pair = pair
        self._transport: asyncio.Transport | None = None
        self._reasons: set[str] = set()
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._heard_end = False

    @property
    def held(self) -> int:
        return sum(len(piece) for _, piece in self._waiting if piece is not None)

    @property
    def _held_back(self) -> bool:
        return self.other.says in self._pair.proxy.stalled

    @property
    def gone(self) -> bool:
        return self._transport is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._reasons:
            self._transport.pause_reading()
        self._pair.made(self)

    def data_received(self, data: bytes) -> None:
        self.other.put(data)

    def eof_received(self) -> bool:
        self._heard_end = True
        self.other.put(None)
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._pair.proxy.end(self._pair)
        self.other.put(None)

    def pause_writing(self) -> None:
        self.other.stop("full")

    def resume_writing(self) -> None:
        self.other.go("full")

    def put(self, piece: bytes | None) -> None:
        """Write after the delay, behind what waits already."""
        loop, delay = asyncio.get_running_loop(), self._pair.proxy.delay
        if not self._waiting and not delay and not self._held_back:
            self._write(piece)
            return
        self._waiting.append((loop.time() + delay, piece))
        self._set_timer()

    def flush(self) -> None:
        """Write all that waits."""
        while self._waiting:
            self._write(self._waiting.popleft()[1])

    def _set_timer(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = asyncio.get_running_loop().call_at(self._waiting[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        if self._held_back:
            return  # `lift` flushes
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now:
            self._write(self._waiting.popleft()[1])
        self._set_timer()

    def _write(self, piece: bytes | None) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if piece is not None:
            transport.write(piece)
        elif self._heard_end or self.other.gone:
            transport.close()
        else:
            transport.write_eof()

    def stop(self, reason: str) -> None:
        """Read no more, until every reason is gone."""
        self._reasons.add(reason)
        if self._transport is not None:
            self._transport.pause_reading()

    def go(self, reason: str) -> None:
        self._reasons.discard(reason)
        if self._transport is not None and not self._reasons:
            self._transport.resume_reading()

    def abort(self) -> None:
        self._waiting.clear()
        if self._transport is not None:
            self._transport.abort()
