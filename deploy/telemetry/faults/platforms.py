"""Faults of the platforms: what they answer, and how much they take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from contracts import keys
from deploy.telemetry.faults.fault import Scene

ASKERS = 75
"""Slack takes one post a second in a channel, so the last of them waits for more than a minute."""
TICKETS_SECONDS = 120.0


@asynccontextmanager
async def revoked(scene: Scene) -> AsyncIterator[None]:
    fault = {"target": "chat.postMessage", "kind": "api_error", "error": "token_revoked"}
    await scene.clients.slack("POST", "/faults", fault)
    yield
    await scene.clients.slack("DELETE", "/faults")


@asynccontextmanager
async def cut_off(scene: Scene) -> AsyncIterator[None]:
    await scene.clients.telegram("POST", "/faults", {"target": "sendMessage", "kind": "drop"})
    yield
    await scene.clients.telegram("DELETE", "/faults")


@asynccontextmanager
async def telegram_away(scene: Scene) -> AsyncIterator[None]:
    await scene.clients.telegram("POST", "/faults", {"target": "*", "kind": "429", "retry_after": 1})
    yield
    await scene.clients.telegram("DELETE", "/faults")


@asynccontextmanager
async def many_answers(scene: Scene) -> AsyncIterator[None]:
    """As many people ask in one channel, and all are answered at once. It ends by itself."""
    clients = scene.clients
    channel = str((await clients.slack("POST", "/channels", {"name": "town-hall", "type": "public"}))["channel"]["id"])
    for number in range(ASKERS):
        person = await clients.slack("POST", "/users", {"name": f"asker-{number}", "staff": False})
        message = {"channel": channel, "user": person["user"]["id"], "text": f"question {number}"}
        await clients.slack("POST", "/messages", message)
    path = f"/tickets?channel={quote(keys.slack_channel(channel))}&limit={ASKERS}"
    async with asyncio.timeout(TICKETS_SECONDS):
        while len(tickets := (await clients.api("GET", path))["items"]) < ASKERS:
            await asyncio.sleep(0.5)
    for ticket in tickets:
        await clients.api("POST", f"/tickets/{ticket['id']}/replies", {"text": "On Monday."})
    yield
