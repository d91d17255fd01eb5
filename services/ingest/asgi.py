"""The few lines of HTTP that a webhook needs: read a bounded body, answer with JSON. Bare ASGI, no framework."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from chassis.telemetry import start_span
from contracts.topics import MAX_RECORD_BYTES

MAX_BODY_BYTES = MAX_RECORD_BYTES - 64 * 1024
"""A body's event and its envelope must fit one record."""

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """`outcome` names the answer for the counters."""

    status: int
    outcome: str
    content: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Respond = Callable[[Request], Awaitable[Answer]]


class WebhookApp:
    """An ASGI app of one handler at one path. Bodies over the limit are refused while they arrive, not after.

    A request is the root of its event's journey; a `traceparent` from outside decides nothing.
    """

    def __init__(self, respond: Respond, path: str, *, limit: int = MAX_BODY_BYTES) -> None:
        self._respond = respond
        self._path = path
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        route = self._path if scope["path"] == self._path else None
        attributes = {"http.request.method": method, "http.route": route}
        with start_span(f"{method} webhook", kind="server", attributes=attributes) as span:
            answer = await self._answer(scope, receive)
            span.set("http.response.status_code", answer.status)
            span.set("okno.outcome", answer.outcome)
            if answer.status >= 500:
                span.fail(answer.outcome)
        # Not within the span: the server begins the connection's next request from here.
        await _send(answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        body = await _read(receive, self._limit)
        if body is None:
            detail = f"a body may have {self._limit} bytes"
            return Answer(413, "too_large", {"error": "too_large", "detail": detail}, {"connection": "close"})
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return await self._respond(Request(scope["method"], scope["path"], headers, body))


async def _send(answer: Answer, send: Send) -> None:
    content = b"" if answer.content is None else orjson.dumps(answer.content)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None as soon as it is over the limit."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
