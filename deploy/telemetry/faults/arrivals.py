"""Faults of what arrives: webhooks and records."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from chassis.kafka import make_producer
from chassis.settings import KafkaSettings
from deploy.telemetry.faults.fault import Scene

ROOM = 2
"""Of the table of dead letters in the stack that is verified."""


@asynccontextmanager
async def stranger(scene: Scene) -> AsyncIterator[None]:
    headers = {"x-slack-signature": "v0=0", "x-slack-request-timestamp": str(int(time.time()))}
    for _ in range(60):
        await scene.http.post(scene.stack.info.slack.events_url, content=b"{}", headers=headers)
        await asyncio.sleep(0.05)
    yield


@asynccontextmanager
async def broken_payload(scene: Scene) -> AsyncIterator[None]:
    """Slack's signature is right, but its message has neither channel nor time."""
    slack, at = scene.stack.info.slack, str(int(time.time()))
    body = orjson.dumps({"type": "event_callback", "team_id": slack.team_id, "event": {"type": "message"}})
    signature = hmac.new(slack.signing_secret.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256)
    headers = {"x-slack-signature": f"v0={signature.hexdigest()}", "x-slack-request-timestamp": at}
    (await scene.http.post(slack.events_url, content=body, headers=headers)).raise_for_status()
    yield


@asynccontextmanager
async def poison(scene: Scene) -> AsyncIterator[None]:
    """More records that are no JSON than the table of dead letters has room for. At the end all letters are settled."""
    producer = make_producer(KafkaSettings(kafka_bootstrap_servers=scene.stack.info.kafka.bootstrap_servers))
    await producer.start()
    try:
        for _ in range(ROOM + 3):
            await producer.send_and_wait("chat.events.v1", b"not json", key=b"slack:C0POISON")
    finally:
        await producer.stop()
    yield
    for letter in (await scene.clients.api("GET", "/dead-letters?state=waiting"))["items"]:
        await scene.clients.api("POST", f"/dead-letters/{letter['id']}/discard", {"reason": "made to be discarded"})
