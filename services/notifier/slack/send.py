"""Calls to Slack's Web API. Each post carries its delivery id and part as metadata, by which it can be found again.

The library's own retries are off: a post that is sent twice is there twice. Slack knows no idempotency key.
https://docs.slack.dev/reference/methods/chat.postMessage, https://docs.slack.dev/messaging/message-metadata
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contracts.chat_receipts_v1 import DeliveryError
from contracts.chat_replies_v1 import DELIVERY_METADATA
from contracts.keys import MessageKey, channel_of_message, message_id_of, message_key, native_channel
from services.notifier.outcomes import (
    ChangeOutcome,
    Content,
    Done,
    Doubtful,
    Later,
    Posted,
    PostOutcome,
    ReadOutcome,
    Refused,
    Target,
)
from services.notifier.slack import read_back
from services.notifier.slack.errors import REMOVED, Meaning, explain, meaning_of
from services.notifier.slack.render import render

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from slack_sdk.web.async_client import AsyncWebClient

DEFAULT_RETRY_AFTER = 30.0
"""Seconds to wait after a 429 that doesn't say."""

UNREACHABLE = DeliveryError(code="unreachable", text="Slack can't be reached. Okno tries again by itself.")
NO_ANSWER = DeliveryError(
    code="no_answer", text="Slack didn't answer, so the message may have been posted. Okno is finding out."
)


def metadata(delivery_id: str, part: int) -> dict[str, Any]:
    """What a post is found and recognised by."""
    return {"event_type": DELIVERY_METADATA, "event_payload": {"delivery_id": delivery_id, "part": part}}


class SlackSender:
    """One workspace's bot. A client session is kept for all calls."""

    keeps_messages = True

    def __init__(self, *, token: str, api_url: str, timeout: float) -> None:
        self.timeout = timeout
        self._token = token
        self._api_url = api_url if api_url.endswith("/") else f"{api_url}/"
        self._session: ClientSession | None = None
        self._client: AsyncWebClient | None = None

    async def open(self) -> None:
        """Import and make what the first call would otherwise wait for."""
        self.client()
        render("ready")

    def client(self) -> AsyncWebClient:
        """Made once, inside the event loop."""
        if self._client is None:
            import aiohttp
            from slack_sdk.web.async_client import AsyncWebClient

            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.timeout))
            self._client = AsyncWebClient(
                self._token, base_url=self._api_url, timeout=int(self.timeout), session=self._session, retry_handlers=[]
            )
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def render(self, text: str, mentions: Sequence[Any]) -> list[Content]:
        """The messages of a reply."""
        return render(text, mentions)

    async def post(self, target: Target, content: Content) -> PostOutcome:
        """chat.postMessage, into the place's thread when it has one."""
        result = await self._call(
            lambda: self.client().chat_postMessage(
                channel=native_channel(target.channel),
                text=content.text,
                thread_ts=target.place.thread,
                metadata=metadata(target.delivery_id, target.part),
                unfurl_links=False,
                unfurl_media=False,
            )
        )
        if not isinstance(result, Mapping):
            return result
        channel, ts = result.get("channel"), result.get("ts")
        if not isinstance(ts, str):
            return Doubtful(NO_ANSWER, answered=True)
        native = native_channel(target.channel)
        key = message_key(target.channel if channel in {None, native} else f"slack:{channel}", ts)
        return Posted(key)

    async def update(self, key: MessageKey, content: Content) -> ChangeOutcome:
        """chat.update: metadata stays when it isn't given."""
        result = await self._call(
            lambda: self.client().chat_update(
                channel=native_channel(channel_of_message(key)), ts=message_id_of(key), text=content.text
            )
        )
        return Done() if isinstance(result, Mapping) else result

    async def remove(self, key: MessageKey) -> ChangeOutcome:
        """chat.delete; a message that isn't there any more is removed."""
        result = await self._call(
            lambda: self.client().chat_delete(channel=native_channel(channel_of_message(key)), ts=message_id_of(key))
        )
        if isinstance(result, Refused) and result.error.code in REMOVED:
            return Done()
        return Done() if isinstance(result, Mapping) else result

    async def find(self, target: Target, since: float) -> ReadOutcome:
        """Look for a post of this delivery and part that was made at `since` (seconds since 1970) or later."""
        return await read_back.find(self._page, target, since)

    async def _page(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any] | Refused | Later:
        result = await self._call(
            lambda: self.client().api_call(f"conversations.{method}", http_verb="GET", params=dict(arguments))
        )
        return Later(result.error) if isinstance(result, Doubtful) else result

    async def _call(self, call: Callable[[], Awaitable[Any]]) -> Mapping[str, Any] | Refused | Later | Doubtful:
        """The answer of a call that succeeded, or what became of it."""
        import aiohttp
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            response = await call()
        except SlackApiError as error:
            return _narrowed(error.response)
        except aiohttp.ClientConnectorError:  # no connection, so nothing was sent
            return Later(UNREACHABLE)
        except (TimeoutError, aiohttp.ClientError, SlackClientError, OSError, ValueError, AttributeError):
            return Doubtful(NO_ANSWER)
        data = response.data
        return data if isinstance(data, Mapping) else Doubtful(NO_ANSWER, answered=True)


def _narrowed(response: Any) -> Refused | Later | Doubtful:
    """An answer that isn't `ok`. One that isn't JSON comes from something between Slack and us, and tells nothing."""
    status = getattr(response, "status_code", None)
    if status is None:  # aiohttp's response: the body couldn't be parsed
        return Doubtful(NO_ANSWER, answered=True)
    data = response.data
    code = data.get("error") if isinstance(data, Mapping) else None
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        return Later(explain("ratelimited"), _retry_after(response.headers))
    if not isinstance(code, str):
        return Doubtful(NO_ANSWER, answered=True)
    match meaning_of(code):
        case Meaning.LATER:
            return Later(explain(code))
        case Meaning.DOUBTFUL:
            return Doubtful(explain(code), answered=True)
        case _:
            return Refused(explain(code))


def _retry_after(headers: Mapping[str, str]) -> float:
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return max(1.0, float(value)) if value.strip().isdigit() else DEFAULT_RETRY_AFTER
