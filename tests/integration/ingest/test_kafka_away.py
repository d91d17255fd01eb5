"""Kafka hangs while webhooks pour in: each is answered 503 and none is kept, in flight or in memory."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import ClientSession, TCPConnector

from bench.usage import peak_megabytes
from contracts.chat_events_v1 import MessagePosted
from sandbox.stack.kafka.server import EmbeddedKafka
from tests.integration.ingest.support import Log, Platforms, Running, running
from tests.integration.ingest.test_slack import TOPIC, secrets

ROUNDS, AT_ONCE, CHARACTERS = 4, 400, 20_000
"""32 MB of text in all."""

MEGABYTES = 40.0
"""Room for one round: bodies, events and records of all that is under way, and a batch for each partition."""


class Customers:
    """Post signed messages as Slack does, each with a time of its own."""

    def __init__(self, platforms: Platforms, ingest: Running, http: ClientSession) -> None:
        self._secret = platforms.slack.identity.signing_secret.encode()
        self._url = f"{ingest.url}/slack/events"
        self._http = http
        self._number = 0

    async def post(self) -> int:
        """The status of the answer."""
        self._number += 1
        ts = f"1716300000.{self._number:06d}"
        channel = f"C{self._number % 50}"
        event = {
            "type": "message", "channel": channel, "channel_type": "channel", "user": "U1", "ts": ts, "event_ts": ts,
            "text": "a" * CHARACTERS,
        }  # fmt: skip
        body = orjson.dumps({"type": "event_callback", "team_id": "T1", "event_id": f"Ev{ts}", "event": event})
        now = str(int(time.time()))
        signature = "v0=" + hmac.new(self._secret, b"v0:" + now.encode() + b":" + body, hashlib.sha256).hexdigest()
        headers = {"x-slack-request-timestamp": now, "x-slack-signature": signature}
        async with self._http.post(self._url, data=body, headers=headers) as answer:
            return answer.status

    async def round(self) -> Counter[int]:
        return Counter(await asyncio.gather(*(self.post() for _ in range(AT_ONCE))))


@asynccontextmanager
async def hanging(kafka: EmbeddedKafka) -> AsyncIterator[None]:
    """The broker holds its connections and says nothing."""
    broker = kafka.process
    assert broker is not None
    broker.suspend()
    try:
        yield
    finally:
        broker.resume()


@pytest.mark.timeout(180)
async def test_while_kafka_hangs_every_webhook_is_a_503_and_memory_stays(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log
) -> None:
    async with (
        running("ingest-slack", kafka, **secrets(platforms)) as ingest,
        ClientSession(connector=TCPConnector(limit=AT_ONCE)) as http,
    ):
        customers = Customers(platforms, ingest, http)
        taken_before = (await customers.round())[200]  # on a slow machine some are late for Kafka
        assert taken_before
        before = peak_megabytes(ingest.process.pid)
        async with hanging(kafka):
            for _ in range(ROUNDS):
                assert await customers.round() == {503: AT_ONCE}
        assert peak_megabytes(ingest.process.pid) - before < MEGABYTES

        async def taken() -> bool:
            return await customers.post() == 200

        async with asyncio.timeout(60):
            while not await taken():
                pass
    kept = {one.data.message_key for one in await log.events(TOPIC) if isinstance(one.data, MessagePosted)}
    assert len(kept) > taken_before  # and of the refused ones perhaps some: Slack sends them again
