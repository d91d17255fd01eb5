"""Slack's Socket Mode: events over a websocket that we open, so that a laptop needs no public address.

"Using Socket Mode" (docs.slack.dev): each envelope is acknowledged by its id; one that isn't comes again. Ours are
acknowledged only after Kafka has the events.
"""

import asyncio
import time
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from chassis import metrics
from chassis.error_text import describe
from chassis.logs import get_logger
from services.ingest.catch_up import CatchUp
from services.ingest.publish import Intake, TooLarge, Unavailable, raw

WATCH_SECONDS = 1.0
RECONNECT_SECONDS = 60.0
"""slack_sdk reconnects by itself; what hasn't come back for so long is given up, its client too: that one goes on with
an address it has used, and Slack's are good for one socket."""
log = get_logger(__name__)


class SocketMode:
    """One connection at a time, which slack_sdk keeps open and renews when Slack asks for it."""

    def __init__(self, intake: Intake, *, app_token: str, api_url: str, catch_up: CatchUp | None = None) -> None:
        self._intake = intake
        self._catch_up = catch_up
        self._app_token = app_token
        self._web = AsyncWebClient(base_url=api_url, retry_handlers=[])
        self._client = self._new_client()
        metrics.from_zero(metrics.webhook_requests, ["slack"], ["accepted", "unavailable"])

    def _new_client(self) -> SocketModeClient:
        client = SocketModeClient(app_token=self._app_token, web_client=self._web, trace_enabled=False)
        client.socket_mode_request_listeners.append(self._listen)
        return client

    async def run(self) -> None:
        """Connect and watch, for ever: a laptop that slept goes on where it was. /readyz says when there is none."""
        up_at = time.monotonic()
        begun = False
        while True:
            if await self.connected():
                up_at, begun = time.monotonic(), True
            elif not begun or time.monotonic() - up_at > RECONNECT_SECONDS:
                up_at, begun = time.monotonic(), await self._connect()
            await asyncio.sleep(WATCH_SECONDS)

    async def _connect(self) -> bool:
        """By a client of its own, which asks Slack for a new address. False when it takes too long."""
        try:
            async with asyncio.timeout(RECONNECT_SECONDS):
                await self._client.close()  # type: ignore[no-untyped-call]
                self._client = self._new_client()
                await self._client.connect()  # type: ignore[no-untyped-call]
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("Socket Mode does not connect, trying again", error=describe(error))
            return False
        return True

    async def connected(self) -> bool:
        up = await self._client.is_connected()
        if self._catch_up is not None:
            (self._catch_up.work if up else self._catch_up.fail)(["socket"])
        metrics.transport_connected.labels("slack").set(1 if up else 0)
        return up

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def _listen(self, client: Any, request: SocketModeRequest) -> None:
        payload = request.payload
        if request.type == "events_api" and isinstance(payload, dict):
            try:
                await self._intake.take(raw(payload), payload)
            except Unavailable as error:
                metrics.webhook_requests.labels("slack", "unavailable").inc()
                log.warning("envelope not accepted, Slack sends it again", reason=str(error))
                return
            except TooLarge as error:
                log.warning("envelope dropped: it does not fit a record", reason=str(error))
        metrics.webhook_requests.labels("slack", "accepted").inc()
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
