"""`python -m bench.load PLAN.json`: one process that sends signed webhooks, and notes when it sent and was answered.

It does as little as it can while it measures: requests are built before (in mode `open` when a connection is free, so
that signatures stay fresh), connections are raw and kept alive, one message is under way on each. Its CPU time is
reported, so that it can be seen not to be the bottleneck.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

import asyncpg
import orjson
import uvloop

from bench.webhooks import Post, arrivals, body, posts, request

Mode = Literal["closed", "open", "one"]
SEEN_EVERY_SECONDS = 0.0005
GIVE_UP_SECONDS = 60.0
AGAIN_SECONDS = 1.0
AT_MOST = 10
"""Times that a message is sent again after a 503, as a platform does; its clock runs from the first time on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`closed`: each connection sends its next message when the last was answered. `open`: by `phases`, each a rate a
    second and a number of messages, whatever the answers do. `one`: the next when the last can be read in
    `schema`.messages.
    """

    mode: Mode
    url: str
    secret: str
    messages: int
    connections: int
    start_us: int
    seed: int
    phases: Sequence[tuple[float, int]] = ()
    dsn: str = ""
    schema: str = ""
    result: str = ""


@dataclass(slots=True)
class Sent:
    """Times in nanoseconds since 1970. `seen` is known in mode `one` only."""

    key: str
    sent: int = 0
    answered: int = 0
    status: int = 0
    seen: int = 0
    again: int = 0


class _Connection(asyncio.Protocol):
    """One request at a time; `answer` is done with the status."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[int] | None = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its bases

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, after = head.lower().partition(b"content-length:")
        if len(rest) < int(after.partition(b"\r\n")[0] or 0):
            return
        self._read = b""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error or ConnectionError("the server closed the connection"))

    async def send(self, content: bytes, note: Sent) -> None:
        note.sent = time.time_ns()
        while (status := await self._once(content)) == 503 and note.again < AT_MOST:
            note.again += 1
            await asyncio.sleep(AGAIN_SECONDS)
        note.status = status
        note.answered = time.time_ns()

    async def _once(self, content: bytes) -> int:
        assert self.transport is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(content)
        return await self.answer


async def run(plan: Plan) -> tuple[list[Sent], float]:
    """Send everything; the notes in order, and the seconds of CPU that sending took."""
    url = urlsplit(plan.url)
    host, port = url.hostname or "", url.port or 80
    loop = asyncio.get_running_loop()
    made = posts(plan.messages, start_us=plan.start_us, seed=plan.seed, apart=max(64, plan.connections * 4))
    requests = [_request(plan, post) for post in made] if plan.mode != "open" else []
    notes = [Sent(post.key) for post in made]
    connections = [(await loop.create_connection(_Connection, host, port))[1] for _ in range(plan.connections)]
    spent = time.process_time()
    match plan.mode:
        case "closed":
            await _closed(connections, requests, notes)
        case "open":
            await _open(connections, made, notes, plan)
        case "one":
            await _one(connections[0], requests, notes, plan)
    spent = time.process_time() - spent
    for connection in connections:
        assert connection.transport is not None
        connection.transport.close()
    return notes, spent


def _request(plan: Plan, post: Post) -> bytes:
    url = urlsplit(plan.url)
    return request(body(post), secret=plan.secret, timestamp=int(time.time()), path=url.path, host=url.netloc)


async def _closed(connections: list[_Connection], requests: list[bytes], notes: list[Sent]) -> None:
    work = iter(zip(requests, notes, strict=True))

    async def one(connection: _Connection) -> None:
        for content, note in work:
            await connection.send(content, note)

    await asyncio.gather(*map(one, connections))


async def _open(connections: list[_Connection], made: list[Post], notes: list[Sent], plan: Plan) -> None:
    """A message that finds no free connection counts from its due time, so that waiting is never forgotten."""
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    sending: set[asyncio.Task[None]] = set()

    async def send(post: Post, note: Sent, due: int) -> None:
        connection = await free.get()
        await connection.send(_request(plan, post), note)
        note.sent = min(note.sent, due)
        free.put_nowait(connection)

    for post, note, at in zip(made, notes, arrivals(plan.phases, plan.seed), strict=True):
        if (wait := begun + at - loop.time()) > 0:
            await asyncio.sleep(wait)
        sending.add(asyncio.create_task(send(post, note, time.time_ns())))
    await asyncio.gather(*sending)


async def _one(connection: _Connection, requests: list[bytes], notes: list[Sent], plan: Plan) -> None:
    database = await asyncpg.connect(plan.dsn, server_settings={"search_path": plan.schema})
    look = await database.prepare("SELECT true FROM messages WHERE id = $1")
    for content, note in zip(requests, notes, strict=True):
        await connection.send(content, note)
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while await look.fetchval(note.key) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{note.key} did not become visible within {GIVE_UP_SECONDS:.0f} s")
            await asyncio.sleep(SEEN_EVERY_SECONDS)
        note.seen = time.time_ns()
    await database.close()


def main(path: str) -> None:
    """Run the plan of a file and write the result beside it."""
    plan = Plan(**orjson.loads(Path(path).read_bytes()))
    notes, spent = uvloop.run(run(plan))
    rows = [asdict(note) for note in notes]
    Path(plan.result).write_bytes(orjson.dumps({"cpu_seconds": spent, "notes": rows}))


if __name__ == "__main__":
    main(sys.argv[1])
