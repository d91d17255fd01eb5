"""The load is Slack's own: signed, complete, and in an order that opens each ticket before its replies."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime
from typing import Any

import orjson

from bench.webhooks import arrivals, body, posts, request
from contracts.chat_events_v1 import MessagePosted
from services.ingest.asgi import Request
from services.ingest.slack.parse import parse
from services.ingest.slack.receive import SlackWebhook

APART = 64
MADE = posts(3000, start_us=1_716_308_800_000_000, seed=7, apart=APART)


def test_every_message_has_a_key_of_its_own_and_times_go_forward() -> None:
    assert len({post.key for post in MADE}) == len(MADE)
    assert all(earlier.ts < later.ts for earlier, later in itertools.pairwise(MADE))


def test_a_reply_comes_well_after_its_root() -> None:
    places = {(post.channel, post.ts): number for number, post in enumerate(MADE) if post.thread is None}
    replies = [(number, post) for number, post in enumerate(MADE) if post.thread is not None]
    assert len(replies) > len(MADE) / 3
    assert all(number - places[post.channel, post.thread or ""] >= APART for number, post in replies)


def test_neighbouring_top_level_posts_of_a_channel_are_by_different_people() -> None:
    by_channel: dict[str, list[str]] = {}
    for post in MADE:
        if post.thread is None:
            by_channel.setdefault(post.channel, []).append(post.user)
    assert all(one != other for users in by_channel.values() for one, other in itertools.pairwise(users))


def test_the_same_seed_makes_the_same_load() -> None:
    assert posts(50, start_us=0, seed=3, apart=5) == posts(50, start_us=0, seed=3, apart=5)
    assert posts(50, start_us=0, seed=3, apart=5) != posts(50, start_us=0, seed=4, apart=5)


async def test_okno_accepts_the_requests_and_reads_the_messages() -> None:
    taken: list[dict[str, Any]] = []

    class Intake:
        async def take(self, _body: bytes, payload: dict[str, Any]) -> None:
            taken.append(payload)

    webhook = SlackWebhook(Intake(), "secret")  # type: ignore[arg-type]
    for post in MADE[:40]:
        raw = request(body(post), secret="secret", timestamp=int(time.time()), path="/slack/events", host="h:1")
        answer = await webhook(_parsed(raw))
        assert answer.status == 200
        (event,) = parse(taken[-1], datetime.now(UTC)).records
        assert isinstance(event, MessagePosted)
        assert (event.message_key, event.thread, event.text) == (post.key, post.thread, post.text)


def _parsed(raw: bytes) -> Request:
    head, _, content = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert int(headers["content-length"]) == len(content)
    assert orjson.loads(content)["type"] == "event_callback"
    return Request(method, path, headers, content)


def test_arrivals_come_at_the_rate() -> None:
    times = list(arrivals([(100.0, 5000), (1000.0, 5000)], seed=1))
    assert len(times) == 10_000
    assert times == sorted(times)
    assert 45 < times[4999] < 55
    assert 4.5 < times[-1] - times[4999] < 5.5
