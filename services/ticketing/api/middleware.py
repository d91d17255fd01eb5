"""Around every request: a size limit, a span that changes hand on, a request id, and the measure of its time."""

import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import metrics
from chassis.telemetry import start_span
from services.ticketing.api.problems import Problem

MAX_BODY_BYTES = 1024 * 1024
_TOO_LARGE = f"A request's body may have {MAX_BODY_BYTES} bytes."


class Surroundings:
    """Outermost. Reading requests make no spans unless the caller has a trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        method = scope["method"]
        request_id = f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id
        traceparent = headers.get("traceparent")
        status = 500
        began = time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["Okno-Request-Id"] = request_id
            await send(message)

        try:
            if (refusal := _refusal(headers)) is not None:
                await refusal.response()(scope, receive, answer)
            elif traceparent is None and method in {"GET", "HEAD", "OPTIONS"}:
                await self._app(scope, receive, answer)
            else:
                with start_span(f"{method} ticketing API", traceparent=traceparent, kind="server") as span:
                    await self._app(scope, _limited(receive), answer)
                    span.set_all({"http.request.method": method, "http.route": _route(scope)})
                    span.set("http.response.status_code", status)
        finally:
            metrics.api_requests.labels(_route(scope), method, str(status)).observe(time.perf_counter() - began)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "none")


def _refusal(headers: Headers) -> Problem | None:
    """Of a body that isn't read at all. Nothing is decompressed, so that what is small stays small."""
    length = headers.get("content-length", "0")
    if len(length) > 18 or not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY_BYTES:
        return Problem(413, "body-too-large", _TOO_LARGE)
    encoding = headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        detail = f"A body with Content-Encoding {encoding[:40]!r} isn't taken; send it as it is."
        return Problem(415, "unsupported-media-type", detail, headers={"Accept-Encoding": "identity"})
    return None


def _limited(receive: Receive) -> Receive:
    """For bodies that come in pieces without a length."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)  # FastAPI lets only these out of reading a body
        return message

    return limited
