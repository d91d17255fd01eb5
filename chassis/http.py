"""uvicorn as a component of a process: it takes no signals, ends no process, and stops by finishing its requests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis import metrics

if TYPE_CHECKING:
    from uvicorn._types import ASGIApplication

KEEP_ALIVE_SECONDS = 75
"""Longer than the pools of platforms and proxies keep idle connections; uvicorn's 5 s drops pooled ones."""

REQUEST_SECONDS = 30.0
"""How long a client may take to send one request, headers and body. uvicorn itself would wait for ever."""
MAX_HEADER_BYTES = 64 * 1024
"""Of a request's line and headers. The parser itself has no limit."""


class AddressInUse(Exception):
    """The address can't be listened on; the text says which and what to do."""


class _Impatient(HttpToolsProtocol):
    """A connection that is closed when a request is too long on its way, or its headers don't end."""

    request_seconds = REQUEST_SECONDS

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_headers = True
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._received()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_headers and self._deadline is not None:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._give_up("headers")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0
        self._expect()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._received()
        super().on_message_complete()

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_seconds, self._give_up, "slow")

    def _received(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self, reason: str) -> None:
        self._deadline = None
        metrics.http_given_up.labels(reason).inc()
        self.transport.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One ASGI app on one address, inside the running event loop.

    The socket listens from the construction on, so `port` is known at once (port 0 takes a free one) and early
    requests wait instead of being refused. Lifespan events are off: the bootstrap opens and closes what the app needs.
    """

    def __init__(
        self,
        app: ASGIApplication | Any,
        *,
        host: str,
        port: int,
        graceful_seconds: float = 10,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=type("Impatient", (_Impatient,), {"request_seconds": request_seconds}),
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(graceful_seconds)),
        )
        self._server = _Server(config)

    @property
    def url(self) -> str:
        """The address as a client on the same machine uses it, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def run(self) -> None:
        """Serve until `stop`: then close the listener and finish the requests in hand, within the grace time."""
        try:
            await self._server.serve(sockets=[self._socket])
        except asyncio.CancelledError:
            self._server.force_exit = True
            for request in list(self._server.server_state.tasks):
                request.cancel()
            if self._server.started:
                await self._server.shutdown(sockets=[self._socket])
            raise
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Ask `run` to finish."""
        self._server.should_exit = True

    def close(self) -> None:
        """Give the address back without ever having run."""
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise AddressInUse(f"can't listen on {host}:{port} ({error.strerror}); set another address or port") from error
    listener.setblocking(False)
    return listener
