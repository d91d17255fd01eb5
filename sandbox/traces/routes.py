"""`POST /otlp/v1/traces` takes spans; `GET /traces/<trace id>` and `GET /traces?<attribute>=<value>` show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson
from aiohttp import web

from sandbox.traces.otlp import NotOtlp, parse
from sandbox.traces.store import Span, TraceStore

_DEFAULT_LIMIT = 20
_MOST = 500


def routes(store: TraceStore, forward: Callable[[Sequence[Span]], None] | None = None) -> list[web.RouteDef]:
    """The routes over a store; `forward` gets each batch of spans too."""

    async def receive(request: web.Request) -> web.Response:
        if not request.content_type.startswith("application/x-protobuf"):
            return web.Response(status=415, text="OTLP over HTTP with protobuf is taken: application/x-protobuf")
        try:
            # aiohttp has already undone a Content-Encoding that it knows
            spans = parse(await request.read())
        except NotOtlp as error:
            return web.Response(status=400, text=str(error))
        store.add(spans)
        if forward is not None and spans:
            forward(spans)
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def show(request: web.Request) -> web.Response:
        spans = store.trace(request.match_info["trace_id"].lower())
        if not spans:
            return _json({"error": "no such trace; it is not sampled, not here yet, or forgotten"}, status=404)
        return _json({"trace_id": spans[0].trace_id, "spans": [span.json() for span in spans]})

    async def find(request: web.Request) -> web.Response:
        wanted = dict(request.query)
        limit = wanted.pop("limit", str(_DEFAULT_LIMIT))
        if not limit.isdigit() or not 1 <= int(limit) <= _MOST:
            return _json({"error": f"limit is a number from 1 to {_MOST}"}, status=400)
        items = []
        for trace_id in store.find(wanted, limit=int(limit)):
            spans = store.trace(trace_id)
            took = max(span.end_ns for span in spans) - spans[0].start_ns
            root = {"name": spans[0].name, "process": spans[0].process, "start_ns": spans[0].start_ns}
            items.append({"trace_id": trace_id, "spans": len(spans), **root, "duration_ms": round(took / 1e6, 3)})
        return _json({"items": items})

    return [
        web.post("/otlp/v1/traces", receive),
        web.get(r"/traces/{trace_id:[0-9a-fA-F]{32}}", show),
        web.get("/traces", find),
    ]


def _json(body: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
