"""A served simulation with an app that records what is posted to it, and clients of both kinds."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack import Simulation

Json = dict[str, Any]


@dataclass
class Received:
    """One request to the app."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        parsed: Json = orjson.loads(self.body)
        return parsed

    @property
    def event(self) -> Json:
        event: Json = self.json["event"]
        return event


@dataclass
class EventsApp:
    """The app's events URL: answers with `answers` in turn, then 200; `gate` holds answers back while it is unset."""

    received: list[Received] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        parsed = orjson.loads(body)
        if parsed.get("type") == "url_verification":
            return web.json_response({"challenge": parsed["challenge"]})
        async with self.arrived:
            self.received.append(Received(dict(request.headers), body))
            self.arrived.notify_all()
        await self.gate.wait()
        return self.answers.pop(0) if self.answers else web.Response()

    async def count(self, number: int) -> None:
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= number)

    def events(self, kind: str | None = None) -> list[Json]:
        return [entry.event for entry in self.received if kind in (None, entry.event["type"])]


@dataclass
class World:
    """A simulation behind HTTP with one customer, one channel and the recording app."""

    simulation: Simulation
    base: str
    session: aiohttp.ClientSession
    app: EventsApp
    customer: str = ""
    channel: str = ""

    @property
    def api_url(self) -> str:
        return f"{self.base}/slack/api/"

    def sdk(self, token: str | None = None) -> AsyncWebClient:
        return AsyncWebClient(
            token=token or self.simulation.identity.bot_token,
            base_url=self.api_url,
            session=self.session,
            retry_handlers=[],
        )

    async def call(self, method: str, *, token: str | None = "", form: Json | None = None, **arguments: Any) -> Json:
        """A call by raw HTTP: JSON, or a form if given."""
        status, _, body = await self.raw(method, token=token, form=form, **arguments)
        assert status == 200, (status, body)
        return body

    async def raw(
        self, method: str, *, token: str | None = "", form: Json | None = None, **arguments: Any
    ) -> tuple[int, dict[str, str], Json]:
        headers = {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.simulation.identity.bot_token}"
        sent: Json = {"data": form} if form is not None else {"json": arguments}
        async with self.session.post(f"{self.api_url}{method}", headers=headers, **sent) as response:
            body = await response.read()
            parsed = orjson.loads(body) if response.content_type == "application/json" else {}
            return response.status, dict(response.headers), parsed

    async def query(self, method: str, **arguments: Any) -> Json:
        """A call by GET."""
        headers = {"Authorization": f"Bearer {self.simulation.identity.bot_token}"}
        url = f"{self.api_url}{method}"
        async with self.session.get(url, headers=headers, params=arguments) as response:
            answer: Json = await response.json()
            return answer

    async def control(self, method: str, path: str, status: int = 200, **body: Any) -> Json:
        url = f"{self.base}/control/slack{path}"
        async with self.session.request(method, url, json=body or None) as response:
            answer: Json = await response.json()
            assert response.status == status, answer
            return answer

    async def say(self, text: str, **more: Any) -> str:
        """The customer posts; the ts."""
        body = {"channel": self.channel, "user": self.customer, "text": text} | more
        ts: str = (await self.control("POST", "/messages", **body))["ts"]
        return ts

    async def idle(self) -> None:
        assert await self.simulation.dispatcher.wait_idle(5)
