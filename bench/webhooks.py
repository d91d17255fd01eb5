"""What the load consists of: posts of many people in many Slack channels, as Slack sends them. Pure and repeatable.

A third opens a conversation in a channel, the rest are replies in threads that were opened well before. Neighbouring
top-level posts of a channel have different authors, so that each of them opens a ticket of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

CHANNELS = 240
AUTHORS = 400
TOP_LEVEL = 1 / 3
APART_US = 100
"""Microseconds between the `ts` of two messages."""

_TEAM = "T0SANDBOX"
_APP = "A0BENCH"
_VOCABULARY = """
    lesson homework deadline payment invoice certificate video link access password group mentor exercise error
    screen upload answer question yesterday tomorrow please thanks cannot open find where when how why still after
    before again page course module practice recording schedule account email change team project review
"""
_WORDS = _VOCABULARY.split()


@dataclass(frozen=True, slots=True)
class Post:
    """One message. `ts` and `thread` (the root's `ts`, or None) are Slack's; `key` is its message key in Okno."""

    channel: str
    ts: str
    thread: str | None
    user: str
    text: str

    @property
    def key(self) -> str:
        return f"slack:{self.channel}:{self.ts}"

    @property
    def channel_key(self) -> str:
        return f"slack:{self.channel}"


def all_channels() -> list[str]:
    return [f"C0BENCH{number:04d}" for number in range(CHANNELS)]


def all_authors() -> list[str]:
    return [f"U0BENCH{number:04d}" for number in range(AUTHORS)]


def posts(count: int, *, start_us: int, seed: int, apart: int) -> list[Post]:
    """`count` messages from `start_us` (microseconds since 1970) on. A reply comes at least `apart` messages after its
    root, so that however many are on their way at once, the root arrives first.
    """
    chance = random.Random(seed)
    channels, authors = all_channels(), all_authors()
    roots: list[deque[tuple[int, str]]] = [deque(maxlen=6) for _ in range(CHANNELS)]
    opened = [0] * CHANNELS
    made = []
    for index in range(count):
        channel = chance.randrange(CHANNELS)
        at = start_us + index * APART_US
        ts = f"{at // 1_000_000}.{at % 1_000_000:06d}"
        ready = [root for number, root in roots[channel] if number <= index - apart]
        thread = chance.choice(ready) if ready and chance.random() >= TOP_LEVEL else None
        if thread is None:
            roots[channel].append((index, ts))
            opened[channel] += 1
            author = (channel * 7 + opened[channel]) % AUTHORS
        else:
            author = chance.randrange(AUTHORS)
        words = " ".join(chance.choices(_WORDS, k=chance.choice((4, 8, 8, 15, 15, 30, 60))))
        made.append(Post(channels[channel], ts, thread, authors[author], words))
    return made


def body(post: Post) -> bytes:
    """The Events API's envelope around a message, with everything that Slack puts into it."""
    event = {
        "user": post.user,
        "type": "message",
        "ts": post.ts,
        "client_msg_id": hashlib.md5(post.ts.encode(), usedforsecurity=False).hexdigest(),
        "text": post.text,
        "team": _TEAM,
        "blocks": [
            {
                "type": "rich_text",
                "block_id": post.ts[-5:],
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": post.text}]}],
            }
        ],
        "channel": post.channel,
        "event_ts": post.ts,
        "channel_type": "channel",
    }
    if post.thread is not None:
        event |= {"thread_ts": post.thread, "parent_user_id": "U0BENCH0000"}
    return orjson.dumps(
        {
            "token": "verification-token",
            "team_id": _TEAM,
            "context_team_id": _TEAM,
            "context_enterprise_id": None,
            "api_app_id": _APP,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{post.ts.replace('.', '')}",
            "event_time": int(post.ts.partition(".")[0]),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": _TEAM,
                    "user_id": "U0BENCHBOT",
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": f"4-{post.channel}-{post.ts}",
        }
    )


def request(content: bytes, *, secret: str, timestamp: int, path: str, host: str) -> bytes:
    """A whole signed HTTP request, ready to be written to a connection that is kept alive."""
    base = f"v0:{timestamp}:".encode() + content
    signature = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n"
        "Accept: */*\r\nContent-Type: application/json\r\n"
        f"X-Slack-Request-Timestamp: {timestamp}\r\nX-Slack-Signature: v0={signature}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def arrivals(phases: Sequence[tuple[float, int]], seed: int) -> Iterator[float]:
    """Seconds after the start at which independent people's messages come. A phase is the messages a second, on
    average, and how many there are of them.
    """
    chance = random.Random(seed)
    at = 0.0
    for rate, count in phases:
        for _ in range(count):
            at += chance.expovariate(rate)
            yield at
