"""uvicorn as a component of a process: it takes no signals, ends no process, and stops by finishing its requests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from uvicorn._types import ASGIApplication

KEEP_ALIVE_SECONDS = 75
"""Longer than the pools of platforms and proxies keep idle connections; uvicorn's 5 s drops pooled ones."""


class AddressInUse(Exception):
    """The address can't be listened on; the text says which and what to do."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One ASGI app on one address, inside the running event loop.

    The socket listens from the construction on, so `port` is known at once (port 0 takes a free one) and early
    requests wait instead of being refused. Lifespan events are off: the bootstrap opens and closes what the app needs.
    """

    def __init__(self, app: ASGIApplication | Any, *, host: str, port: int, graceful_seconds: float = 10) -> None:
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http="httptools",
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
