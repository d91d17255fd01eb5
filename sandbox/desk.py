"""`/tickets/<path>` of the sandbox is `<path>` of the ticketing API, with the stack's admin token, so that the page
needs neither a token nor another origin. Answers are passed on as they come, streams too.
"""

from __future__ import annotations

import aiohttp
from aiohttp import web
from yarl import URL

_HOP = {
    "connection", "content-encoding", "content-length", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
    "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
_REQUEST_HEADERS = (
    "Accept", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "Last-Event-ID", "traceparent",
)  # fmt: skip


class Desk:
    """The pass-through. Without an address it answers 503 and says so."""

    def __init__(self, api_url: str | None, token: str | None) -> None:
        self._api_url = api_url.rstrip("/") if api_url else None
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/tickets/{path:.*}", self.pass_on)]

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        if self._api_url is None:
            return web.json_response({"title": "The sandbox knows no ticketing API: TICKETING_API_URL"}, status=503)
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=3)
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=True)
        headers = {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        url = URL(self._api_url + request.raw_path.removeprefix("/tickets"), encoded=True)
        body = await request.read() if request.can_read_body else None
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
            ) as answer:
                return await _passed(request, answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = {"title": "The ticketing API does not answer", "detail": str(error), "status": 502}
            return web.json_response(problem, status=502, content_type="application/problem+json")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _passed(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in _HOP:
            response.headers.add(name, value)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response
