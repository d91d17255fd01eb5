"""Kafka and PostgreSQL go away under traffic and come back: what was accepted is kept, the rest is sent again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time

import orjson
import pytest

from tests.end_to_end.support.talk import Talk
from tests.end_to_end.support.town import Town

SLOWLY, QUICKLY = 10, 100
"""Times real: Slack's last retry comes half a minute after the one before, unless Kafka is back and time is let run."""


async def _talk_on(talks: list[Talk], gone: asyncio.Event, back: asyncio.Event) -> None:
    """Everybody writes before, while and after something is away."""
    for talk in talks:
        await talk.says()
    gone.set()
    for _ in range(3):
        await asyncio.gather(*(talk.says() for talk in talks))
    await back.wait()
    for talk in talks:
        await talk.says()


async def _slack_webhook(town: Town, body: dict[str, object]) -> int:
    """Post a signed webhook as Slack does; the status of the answer."""
    raw, now = orjson.dumps(body), str(int(time.time()))
    secret = town.stack.info.slack.signing_secret.encode()
    signature = "v0=" + hmac.new(secret, b"v0:" + now.encode() + b":" + raw, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json", "x-slack-request-timestamp": now, "x-slack-signature": signature,
    }  # fmt: skip
    return (await town.http.post(town.stack.info.slack.events_url, content=raw, headers=headers)).status_code


def _message_event(talk: Talk, ts: str) -> dict[str, object]:
    line = talk.lines[0]
    user = line.author.partition(":")[2]
    event = {
        "type": "message", "channel": talk.channel, "channel_type": "channel", "user": user, "text": line.text,
        "ts": ts, "event_ts": ts,
    }  # fmt: skip
    return {
        "type": "event_callback", "team_id": talk.town.stack.info.slack.team_id, "api_app_id": "A0SANDBOX",
        "event_id": "Ev0", "event_time": int(float(ts)), "event": event, "authorizations": [],
    }  # fmt: skip


async def _all_delivered(town: Town) -> None:
    """Or the test itself would have lost messages: Slack gives up after three retries."""
    for talk in town.talks:
        if talk.platform == "slack":
            listed = (await town.clients.slack("GET", f"/deliveries?channel={talk.channel}"))["deliveries"]
            assert {one["state"] for one in listed} == {"delivered"}


async def test_kafka_killed_under_traffic(town: Town) -> None:
    await town.speed(SLOWLY)
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(4)]
    gone, back = asyncio.Event(), asyncio.Event()
    talking = asyncio.create_task(_talk_on(talks, gone, back))
    await gone.wait()
    await town.stack.kill("kafka")
    try:
        line = talks[1].lines[0]
        began = time.monotonic()
        assert await _slack_webhook(town, _message_event(talks[1], line.id)) == 503
        assert time.monotonic() - began < 3.0, "Slack waits three seconds for an answer"
    finally:
        await town.stack.start_process("kafka")
    await town.speed(QUICKLY)
    back.set()
    await talking
    await town.quiet.wait(seconds=120)
    await _all_delivered(town)
    await talks[0].answered()
    await talks[1].answered()
    await town.check()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_postgres_goes_away_under_traffic(town: Town, how: str) -> None:
    """Webhooks are accepted meanwhile: ingest needs Kafka only."""
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(4)]
    gone, back = asyncio.Event(), asyncio.Event()
    talking = asyncio.create_task(_talk_on(talks, gone, back))
    await gone.wait()
    await (town.stack.stop_process("postgres") if how == "stop" else town.stack.kill("postgres"))
    try:
        assert await _slack_webhook(town, _message_event(talks[1], talks[1].lines[0].id)) == 200
    finally:
        await town.stack.start_process("postgres")
    back.set()
    await talking
    await talks[0].answered()
    await talks[1].answered()
    await town.check()
