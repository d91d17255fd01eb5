"""What the worker reads from Slack: profiles, channel names, threads, history.

Tiers (docs.slack.dev, "Rate limits"): users.info 100 calls a minute, conversations.info, history and replies 50 (apps
sold outside the Marketplace: history and replies 1, with 15 messages a page). A 429's
`Retry-After` (seconds) is kept for the whole method: until it is over no call of that method is made.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from chassis.logs import get_logger
from contracts import keys
from contracts.chat import Channel, ChannelType
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from services.ingest.parsed import storable
from services.ingest.slack.parse import person_profile

PAGE = 200
CALL_SECONDS = 20.0
"""Longest call: a connection that hangs is a failed call, long before the worker's loop counts as stuck. slack_sdk sets
no limit for a session that it is given, and aiohttp's own is five minutes.
"""
DEFAULT_RETRY_AFTER = 30.0
"""Seconds to wait after a 429 that doesn't say."""

log = get_logger(__name__)
_GONE = frozenset(
    {"user_not_found", "user_not_visible", "users_not_found", "channel_not_found", "thread_not_found", "not_in_channel"}
)
_REFUSED = frozenset(
    {
        "missing_scope",
        "no_permission",
        "access_denied",
        "not_allowed_token_type",
        "not_authed",
        "invalid_auth",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "team_access_not_granted",
        "enterprise_is_restricted",
        "ekm_access_denied",
        "two_factor_setup_required",
    }
)
"""From the lists of errors on docs.slack.dev's pages of conversations.replies and conversations.history."""
_KINDS = "public_channel,private_channel,mpim,im"


class Gone(Exception):
    """Slack doesn't know it, or doesn't show it to us: there is nothing to fetch."""


class StaleCursor(Exception):
    """Slack doesn't know where the last page ended: begin anew."""


@dataclass(frozen=True, slots=True)
class Page:
    """Slack's messages as they are; `cursor` leads to the next page."""

    messages: list[dict[str, Any]]
    cursor: str | None


class Later(Exception):
    """Try again; after `seconds` where Slack said so, which is no failure of what was asked for."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Refused(Later):
    """Waiting doesn't mend it, a person has to: we have no token, or Slack doesn't let it read this."""


class SlackReads:
    """Reads with our own bot token. The ledger of jobs does the retrying, not the library."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._identity: dict[str, Any] | None = None
        self._held_until: dict[str, float] = {}
        """Methods that Slack has closed, and until when (monotonic)."""
        self.last_call_at = 0.0
        """When a call ended last, however (monotonic): one read may be many calls."""

    async def person(self, key: str) -> PersonProfile:
        answer = await self._call("users.info", user=keys.native_person(key))
        return person_profile(answer["user"], datetime.now(UTC))

    async def channel(self, key: str) -> ChannelProfile:
        answer = await self._call("conversations.info", channel=keys.native_channel(key))
        channel = answer["channel"]
        kind = ChannelType.PRIVATE if channel.get("is_private") else ChannelType.PUBLIC
        name = channel.get("name") or keys.native_channel(key)
        return ChannelProfile(channel_key=keys.ChannelKey(key), name=name, type=kind, updated_at=datetime.now(UTC))

    async def channels(self) -> list[Channel]:
        """All that our bot is in ("users.conversations": without a user, the caller's own)."""
        workspace = await self._workspace()
        found: list[Channel] = []
        cursor: str | None = None
        while True:
            arguments: dict[str, Any] = {"types": _KINDS, "exclude_archived": True, "limit": PAGE}
            answer = await self._call("users.conversations", **arguments, **({"cursor": cursor} if cursor else {}))
            found += [_channel(one, workspace) for one in answer["channels"]]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return found

    async def named_channel(self, key: keys.ChannelKey) -> Channel:
        answer = await self._call("conversations.info", channel=keys.native_channel(key))
        return _channel(answer["channel"], await self._workspace())

    async def history(self, channel: Channel, oldest: datetime, cursor: str | None) -> Page:
        """A page of a channel, the newest first, without replies but for those also sent to the channel."""
        return await self._page(
            "conversations.history", channel, cursor, oldest=f"{oldest.timestamp():.6f}", inclusive=True
        )

    async def shows_anything_before(self, channel: Channel, moment: datetime) -> bool:
        arguments: dict[str, Any] = {"latest": f"{moment.timestamp():.6f}", "limit": 1}
        answer = await self._call("conversations.history", channel=keys.native_channel(channel.key), **arguments)
        return bool(answer["messages"])

    async def replies(self, channel: Channel, thread: str, cursor: str | None) -> Page:
        """A page of a thread, the oldest first; the root is among them."""
        return await self._page("conversations.replies", channel, cursor, ts=thread)

    async def _page(self, method: str, channel: Channel, cursor: str | None, **arguments: Any) -> Page:
        given = {"include_all_metadata": True, "limit": PAGE, **arguments, **({"cursor": cursor} if cursor else {})}
        answer = await self._call(method, channel=keys.native_channel(channel.key), **given)
        return Page(answer["messages"], (answer.get("response_metadata") or {}).get("next_cursor") or None)

    async def _workspace(self) -> str:
        if self._identity is None:
            self._identity = await self._call("auth.test")
        return str(self._identity["team_id"])

    async def envelope(self, channel: Channel) -> dict[str, Any]:
        """History has no envelope; who we are comes from `auth.test`."""
        identity = self._identity = self._identity or await self._call("auth.test")
        ours = [{"user_id": identity["user_id"], "is_bot": True}]
        return {"type": "event_callback", "team_id": channel.workspace, "authorizations": ours}

    async def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        held = self._held_until.get(method, 0.0) - time.monotonic()
        if held > 0:
            raise Later("rate limited", held)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await self._client.api_call(method, params=_wire(arguments))
            data: Any = answer.data
            return dict(storable(data))
        except SlackApiError as error:
            raise self._narrowed(method, error.response) from None
        except (aiohttp.ClientError, TimeoutError, AttributeError, TypeError, ValueError) as error:
            # The library fails with the latter three on an answer that isn't Slack's: a gateway's plain text.
            raise Later(f"{method}: {type(error).__name__}") from None
        finally:
            self.last_call_at = time.monotonic()

    def _narrowed(self, method: str, response: Any) -> Exception:
        status = getattr(response, "status_code", None)
        if status is None:  # aiohttp's response: the body couldn't be parsed
            return Later(f"{method}: not JSON")
        if status == 429:
            seconds = _retry_after(response.headers)
            self._held_until[method] = time.monotonic() + seconds
            log.warning("Slack's limit of a method is reached, its jobs wait", method=method, seconds=seconds)
            return Later("rate limited", seconds)
        code = response.get("error") if status == 200 else None
        if code == "invalid_cursor":
            return StaleCursor(method)
        if code in _REFUSED:
            return Refused(code)
        return Gone(code) if code in _GONE else Later(str(code or f"HTTP {status}"))


def _channel(shown: dict[str, Any], workspace: str) -> Channel:
    """A conversation object of Slack ("Conversation object": `is_im`, `is_mpim`, `is_private`)."""
    kind = ChannelType.PRIVATE if shown.get("is_private") else ChannelType.PUBLIC
    if shown.get("is_im") or shown.get("is_mpim"):
        kind = ChannelType.DIALOG if shown.get("is_im") else ChannelType.GROUP_DIALOG
    return Channel(key=keys.slack_channel(shown["id"]), platform=keys.Platform.SLACK, workspace=workspace, type=kind)


def _wire(arguments: dict[str, Any]) -> dict[str, Any]:
    """Slack takes booleans as 1 and 0."""
    return {name: int(value) if isinstance(value, bool) else value for name, value in arguments.items()}


def _retry_after(headers: Mapping[str, str]) -> float:
    value = headers.get("Retry-After", "")
    return max(1.0, float(value)) if value.strip().isdigit() else DEFAULT_RETRY_AFTER
