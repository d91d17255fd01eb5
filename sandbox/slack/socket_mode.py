"""Socket Mode: events over websockets that the app opens; each envelope goes to any one of at most ten sockets.

An envelope counts as delivered when its id comes back; until then it is one attempt like a post of an event over HTTP,
with the same time to answer and the same retries.
"""

import asyncio
import secrets
import uuid
from dataclasses import dataclass, field

import orjson
from aiohttp import WSMsgType, web

from sandbox.slack.identity import Identity
from sandbox.slack.settings import Settings
from sandbox.slack.transport import Outcome

MOST_SOCKETS = 10
APPROXIMATE_CONNECTION_SECONDS = 18_060


@dataclass(slots=True, eq=False)
class Socket:
    """One connection and the envelopes on it that wait for their acknowledgement."""

    connection: web.WebSocketResponse
    waiting: dict[str, asyncio.Future[bool]] = field(default_factory=dict)
    leaving: bool = False


class SocketMode:
    """The app's sockets."""

    def __init__(self, identity: Identity, settings: Settings) -> None:
        self._identity = identity
        self._settings = settings
        self._tickets: set[str] = set()
        self._turn = 0
        self.sockets: list[Socket] = []
        self.opened = asyncio.Event()

    def new_ticket(self) -> str:
        """A secret that opens one socket once."""
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return ticket

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One websocket, from hello to the end."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=408, text="the link has expired")
        self._tickets.discard(ticket)
        connection = web.WebSocketResponse(heartbeat=None)
        await connection.prepare(request)
        if len(self.sockets) >= MOST_SOCKETS:
            await connection.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await connection.close()
            return connection
        socket = Socket(connection)
        await connection.send_json(self._hello(len(self.sockets) + 1))
        self.sockets.append(socket)
        self.opened.set()
        try:
            async for message in connection:
                if message.type is WSMsgType.TEXT:
                    self._acknowledged(socket, message.data)
        finally:
            self._gone(socket)
        return connection

    async def attempt(self, body: bytes, number: int, reason: str) -> Outcome:
        """Sends an envelope over one socket and waits for its acknowledgement."""
        socket = self._next()
        if socket is None:
            return Outcome(False, "connection_failed")
        envelope_id = str(uuid.uuid4())
        acknowledged: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        socket.waiting[envelope_id] = acknowledged
        envelope = {
            "envelope_id": envelope_id,
            "type": "events_api",
            "payload": orjson.Fragment(body),
            "accepts_response_payload": False,
            "retry_attempt": number,
            "retry_reason": reason,
        }
        try:
            await socket.connection.send_str(orjson.dumps(envelope).decode())
            async with asyncio.timeout(self._settings.timeout_seconds):
                arrived = await acknowledged
        except TimeoutError:
            return Outcome(False, "timeout")
        except ConnectionError:
            return Outcome(False, "connection_failed")
        finally:
            socket.waiting.pop(envelope_id, None)
        return Outcome(True, status=200) if arrived else Outcome(False, "connection_failed")

    async def refresh(self, reason: str) -> int:
        """Tells every socket to reconnect (`warning`, `refresh_requested`, `link_disabled`); how many were told.

        After a warning a socket goes on; after the others it gets nothing more and is closed.
        """
        told = list(self.sockets)
        for socket in told:
            await socket.connection.send_json(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
            )
            if reason != "warning":
                socket.leaving = True
                await socket.connection.close()
        return len(told)

    async def close(self) -> None:
        """Ends all sockets."""
        for socket in list(self.sockets):
            await socket.connection.close()

    def _hello(self, connections: int) -> dict[str, object]:
        return {
            "type": "hello",
            "num_connections": connections,
            "debug_info": {
                "host": "sandbox",
                "build_number": 1,
                "approximate_connection_time": APPROXIMATE_CONNECTION_SECONDS,
            },
            "connection_info": {"app_id": self._identity.app_id},
        }

    def _next(self) -> Socket | None:
        usable = [socket for socket in self.sockets if not socket.leaving]
        if not usable:
            return None
        self._turn += 1
        return usable[self._turn % len(usable)]

    def _acknowledged(self, socket: Socket, data: str) -> None:
        try:
            envelope_id = orjson.loads(data).get("envelope_id")
        except (orjson.JSONDecodeError, AttributeError):
            return
        waiting = socket.waiting.get(envelope_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(True)

    def _gone(self, socket: Socket) -> None:
        if socket in self.sockets:
            self.sockets.remove(socket)
        if not self.sockets:
            self.opened.clear()
        for waiting in socket.waiting.values():
            if not waiting.done():
                waiting.set_result(False)
