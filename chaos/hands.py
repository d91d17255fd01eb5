"""The hands of people and agents: calls of the simulated platforms' control interfaces and of the ticketing API.

Each call ends as acknowledged (a success), failed (refused: it had no effect) or unknown (nobody can tell).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import orjson

from sandbox.stack.info import StackInfo

Outcome = Literal["acknowledged", "failed", "unknown"]
Json = dict[str, Any]
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is 0 when there was none; names of headers are in lower case."""

    outcome: Outcome
    status: int = 0
    body: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class Hands:
    """One HTTP session for all."""

    def __init__(self, info: StackInfo) -> None:
        self._info = info
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=200)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS), connector=connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def slack(self, method: str, path: str, body: Json | None = None) -> Answer:
        return await self._call(method, f"{self._info.sandbox.control_url}/slack{path}", body)

    async def telegram(self, method: str, path: str, body: Json | None = None) -> Answer:
        return await self._call(method, f"{self._info.sandbox.control_url}/telegram{path}", body)

    async def api(self, method: str, path: str, body: Json | None = None, headers: Json | None = None) -> Answer:
        given = {"Authorization": f"Bearer {self._info.ticketing_api.token}", **(headers or {})}
        return await self._call(method, f"{self._info.ticketing_api.url}/v1{path}", body, given)

    async def _call(self, method: str, url: str, body: Json | None, headers: Json | None = None) -> Answer:
        if self._session is None:
            raise RuntimeError("used outside its block")
        try:
            async with self._session.request(method, url, json=body, headers=headers) as response:
                raw = await response.read()
        except aiohttp.ClientConnectorError:
            return Answer("failed")  # it never reached anybody
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Answer("unknown")
        content = orjson.loads(raw) if raw and "json" in response.content_type else {}
        outcome: Outcome = "acknowledged" if response.ok else "failed" if response.status < 500 else "unknown"
        return Answer(
            outcome, response.status, content, {name.lower(): value for name, value in response.headers.items()}
        )
