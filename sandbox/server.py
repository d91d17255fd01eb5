"""The sandbox's one HTTP server: both simulated platforms, their control APIs, traces, the live stream and the page."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from sandbox import page, slack, telegram
from sandbox.desk import Desk
from sandbox.live import Live
from sandbox.traces import routes as traces
from sandbox.traces.store import TraceStore
from sandbox.traces.zipkin import ZipkinForwarder

MAX_BODY = 100 * 1024 * 1024
_FOR_PEOPLE = ("/tickets", "/control", "/live", "/traces")

LIVE = web.AppKey("live", Live)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the server serves."""

    slack: slack.Simulation
    telegram: telegram.Simulation
    traces: TraceStore
    desk: Desk
    zipkin: ZipkinForwarder | None = None


def build(parts: Parts) -> web.Application:
    """The application; closing it ends live streams and the simulations' deliveries."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[only_from_here])
    live = app[LIVE] = Live(parts.slack, parts.telegram)
    app.add_routes(slack.routes(parts.slack))
    app.add_routes(telegram.routes(parts.telegram))
    app.add_routes(traces.routes(parts.traces, parts.zipkin.forward if parts.zipkin else None))
    app.add_routes(parts.desk.routes())
    app.add_routes(live.routes())
    app.add_routes(page.routes())

    async def end_streams(_: web.Application) -> None:
        await live.close()

    async def close(_: web.Application) -> None:
        await parts.desk.close()
        await parts.slack.close()
        await parts.telegram.close()

    app.on_shutdown.append(end_streams)
    app.on_cleanup.append(close)
    return app


@web.middleware
async def only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Other sites open in the same browser must not act through the sandbox, which adds an admin token: requests to
    the parts made for people come from its own page (Origin), and by an address or a name that no stranger can point
    at this machine (Host).
    """
    if request.path.startswith(_FOR_PEOPLE):
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return web.Response(status=403, text="requests from other sites are refused\n")
        if origin is not None and not _cannot_be_rebound(request.host):
            return web.Response(status=403, text="open the sandbox by its address, for example http://127.0.0.1\n")
    return await handler(request)


def _cannot_be_rebound(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or "." not in name:  # a name without a dot is one of the local network
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
