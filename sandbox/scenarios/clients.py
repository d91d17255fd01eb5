"""The stack as a scenario sees it: people's hands and eyes in the chats, an agent's in the API. No assertions here."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from contracts import keys
from sandbox.slack.identity import Identity
from sandbox.stack.info import StackInfo
from sandbox.telegram.world import BotIdentity

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Doors:
    """Where a scenario gets in: base URLs, and our bot's ids in Telegram (`bot_id`) and Slack (`bot_user_id`)."""

    control: str
    traces: str
    api: str
    token: str | None
    bot_id: str
    bot_user_id: str

    @classmethod
    def of_stack(cls, info: StackInfo) -> "Doors":
        return cls(
            control=info.sandbox.control_url,
            traces=info.sandbox.traces_url,
            api=info.ticketing_api.url,
            token=info.ticketing_api.token,
            bot_id=info.telegram.bot_token.partition(":")[0],
            bot_user_id=info.slack.bot_user_id,
        )

    @classmethod
    def of_sandbox(cls, url: str) -> "Doors":
        """All by the sandbox's address: it passes on what is for the API, and adds the token."""
        return cls(
            control=f"{url}/control",
            traces=f"{url}/traces",
            api=f"{url}/tickets",
            token=None,
            bot_id=str(BotIdentity().id),
            bot_user_id=Identity().bot_user_id,
        )


class Refused(Exception):
    """The stack said no; the text says to what and why."""


@dataclass(frozen=True, slots=True)
class Written:
    """A message in a chat. `channel` and `id` are the platform's own (a Slack ts, a Telegram message id)."""

    platform: str
    channel: str
    id: str
    root: str | None = None

    def key(self, bot_id: str) -> str:
        if self.platform == "slack":
            return keys.message_key(keys.slack_channel(self.channel), self.id)
        return keys.message_key(keys.telegram_channel(bot_id, self.channel), self.id)


class Clients:
    """`http` is shared; every call raises Refused for an answer that is no success."""

    def __init__(self, http: httpx.AsyncClient, doors: Doors) -> None:
        self._http = http
        self.doors = doors
        self._slack = f"{doors.control}/slack"
        self._telegram = f"{doors.control}/telegram"
        self._api = f"{doors.api}/v1"

    async def slack(self, method: str, path: str, body: Json | None = None) -> Json:
        return await self._call(method, self._slack + path, body)

    async def telegram(self, method: str, path: str, body: Json | None = None) -> Json:
        return await self._call(method, self._telegram + path, body)

    async def api(self, method: str, path: str, body: Json | None = None, **headers: str) -> Json:
        token = {"Authorization": f"Bearer {self.doors.token}"} if self.doors.token else {}
        return await self._call(method, self._api + path, body, {**token, **headers})

    async def trace(self, trace_id: str) -> list[Json]:
        """The spans of a trace that have arrived so far."""
        response = await self._http.get(f"{self.doors.traces}/{trace_id}")
        return list(response.json()["spans"]) if response.is_success else []

    async def tickets_in(self, channel_key: str) -> list[Json]:
        """The tickets of a channel, the latest first."""
        return list((await self.api("GET", f"/tickets?channel={quote(channel_key)}&limit=50"))["items"])

    async def messages_of(self, ticket_id: str) -> list[Json]:
        return list((await self.api("GET", f"/tickets/{ticket_id}/messages?limit=100"))["items"])

    async def _call(self, method: str, url: str, body: Json | None, headers: dict[str, str] | None = None) -> Json:
        try:
            response = await self._http.request(method, url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Refused(f"{method} {url}: {type(error).__name__} {error}") from None
        if not response.is_success:
            raise Refused(f"{method} {url} answered {response.status_code}: {response.text[:300]}")
        return dict(response.json()) if response.content else {}
