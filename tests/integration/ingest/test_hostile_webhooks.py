"""Hostile webhooks with valid signatures, to ingest as it runs in production and a real Kafka.

Each is published, kept in the dead letters, nothing for us, or refused with a 4xx. None is a 5xx for good, and the
process serves on in bounded memory.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import psutil
from aiokafka.errors import MessageSizeTooLargeError

from contracts.topics import TOPIC_MAX_MESSAGE_BYTES
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.telegram import BotIdentity
from services.ingest.asgi import MAX_BODY_BYTES
from services.ingest.parsed import Parsed
from services.ingest.publish import EVENTS_TOPIC, Intake, Parse
from services.ingest.slack import parse as slack
from services.ingest.telegram import parse as telegram
from services.ingest.webhook import load_object
from tests.fuzz.corpus import FOLDER
from tests.fuzz.mutate import HOSTILE
from tests.integration.ingest.support import Log, Platforms, Running, running
from tests.integration.ingest.test_slack import secrets as slack_secrets
from tests.integration.ingest.test_telegram import secrets as telegram_secrets

MEGABYTE = 1024 * 1024
SHARE = 3
"""One of so many pairs of a value and a place is sent; the parsers alone meet all of them (`tests/fuzz`)."""
TAKEN, NOT_JSON, WRONG, TOO_LARGE, UNAVAILABLE = 200, 400, 401, 413, 503
Raw = tuple[bytes, dict[str, str], int]
Headers = Callable[[bytes], dict[str, str]]

SLACK = json.loads((FOLDER / "slack_payload/thread.json").read_bytes())
TELEGRAM = json.loads((FOLDER / "telegram_update/message.json").read_bytes())
EVENT = SLACK["event"]
REACTED = {"chat": {"id": 5, "type": "private"}, "user": {"id": 5}, "message_id": 8, "date": 1, "old_reaction": []}


def packed(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()


def slack_post(**fields: Any) -> Raw:
    return packed({**SLACK, "event": {**EVENT, **fields}}), {}, TAKEN


def telegram_update(**fields: Any) -> Raw:
    return packed({"update_id": 1, **fields}), {}, TAKEN


def reactions(count: int) -> list[dict[str, str]]:
    return [{"type": "emoji", "emoji": str(number)} for number in range(count)]


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


RAW: dict[str, Raw] = {
    "deeper than is read": (b'{"update_id":1,"a":%s}' % deep(100_000), {}, NOT_JSON),
    "as deep as is read": (b'{"token":"t","type":"event_callback","a":%s}' % deep(1000), {}, TAKEN),
    "a million elements": (b'{"update_id":1,"type":"event_callback","a":[%s0]}' % (b"0," * 1_000_000), {}, TAKEN),
    "a number of 5,000 digits": (b'{"update_id":%s}' % (b"9" * 5000), {}, NOT_JSON),
    "not UTF-8": (b'{"a":"\xff"}', {}, NOT_JSON),
    "UTF-16": ('{"update_id":1}'.encode("utf-16"), {}, NOT_JSON),
    "a name twice": (b'{"update_id":1,"update_id":2,"type":1,"type":2}', {}, TAKEN),
    "nothing": (b"", {}, NOT_JSON),
    "over the limit": (b" " * (MAX_BODY_BYTES + 1), {}, TOO_LARGE),
    "up to the limit": (b'{"update_id":1}'.ljust(MAX_BODY_BYTES), {}, TAKEN),
    "compressed": (gzip.compress(b"{}"), {"Content-Encoding": "gzip"}, NOT_JSON),
    "a bomb": (gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}, NOT_JSON),
    "called compressed": (b'{"update_id":1}', {"Content-Encoding": "gzip"}, TAKEN),
    "a form": (b"command=%2Fx%00&text=%ED%A0%80", {"Content-Type": "application/x-www-form-urlencoded"}, NOT_JSON),
    "JSON in a form": (b"payload=%7B%22type%22%3A%22x%22%7D", {"Content-Type": "multipart/form-data"}, NOT_JSON),
    "another type": (b'{"update_id":1}', {"Content-Type": "text/plain; charset=utf-16\t\xff"}, TAKEN),
    "long headers": (b'{"update_id":1}', {"Cookie": "x" * 30_000, "Traceparent": "00-" + "f" * 10_000}, TAKEN),
    "first asks whether it may": (b'{"update_id":1}', {"Expect": "100-continue"}, TAKEN),
}
UPGRADE = {"Connection": "upgrade", "Upgrade": "websocket"}
"""Nothing is upgraded, and what follows such headers is no body."""
RAW_SLACK = {
    "an upgrade": (packed(SLACK), UPGRADE, WRONG),
    "breaks its shape, large when escaped": slack_post(user=None, text="\u3042" * 1_200_000),
    "breaks its shape, large with white space": slack_post(user=None, blocks=[0] * 1_900_000),
    "mentions that are more than a record": slack_post(text="".join(f"<@{number}>" for number in range(250_000))),
    "ids that are more than a record": slack_post(channel="C" * 1_500_000),
    "many files": slack_post(files=[{"id": str(number)} for number in range(200_000)]),
    "many NULs": slack_post(text="\0" * 300_000, blocks=["\0"] * 100_000),
}
RAW_TELEGRAM = {
    "an upgrade": (packed(TELEGRAM), UPGRADE, NOT_JSON),
    "many reactions": telegram_update(message_reaction={**REACTED, "new_reaction": reactions(100_000)}),
    "a reaction that is more than a header": telegram_update(
        message_reaction={**REACTED, "new_reaction": [{"type": "emoji", "emoji": "x" * 3_000_000}]}
    ),
    "many entities": telegram_update(
        message={**TELEGRAM["message"], "entities": [{"type": "mention", "offset": 0, "length": 20}] * 70_000}
    ),
    "many NULs": telegram_update(message={**TELEGRAM["message"], "text": "\0" * 300_000}),
}


def replaced(tree: Any, value: Any) -> Iterator[Any]:
    """The tree with the value in each place, one after the other."""
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield {**tree, name: value}
            yield from ({**tree, name: one} for one in replaced(inner, value))
    if isinstance(tree, list):
        for index, inner in enumerate(tree):
            yield from ([*tree[:index], one, *tree[index + 1 :]] for one in replaced(inner, value))


class Expected:
    """What Kafka has to have: the ids of events and the raw payloads that become of bodies. Stands for a producer."""

    def __init__(self, parse: Parse, platform: str) -> None:
        self.ids: set[bytes] = set()
        self.dead: set[tuple[bytes, bytes]] = set()
        self._intake = Intake(self, parse, platform=platform, process="x")

    async def taken(self, body: bytes) -> None:
        payload = load_object(body)
        assert payload is not None
        await self._intake.take(body, payload)

    async def send(
        self, topic: str, value: bytes, *, key: bytes, headers: list[tuple[str, bytes]]
    ) -> asyncio.Future[None]:
        named = dict(headers)
        if len(value) + len(key) + sum(map(len, named.values())) > TOPIC_MAX_MESSAGE_BYTES:
            raise MessageSizeTooLargeError
        if topic == EVENTS_TOPIC:
            self.ids.add(named["ce_id"])
        else:
            self.dead.add((named["okno-dead-cause"], value))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


async def hostile(
    ingest: Running, path: str, headers: Headers, sound: Any, raw: dict[str, Raw], expected: Expected
) -> None:
    """Hostile values in each place of a sound payload, then the raw bodies (twice), then the sound one."""
    process = psutil.Process(ingest.process.pid)
    async with httpx.AsyncClient(base_url=ingest.url, timeout=60) as http:

        async def post(body: bytes, more: dict[str, str] | None = None, *, chunked: bool = False) -> int:
            """As a platform: a 503 is asked again, a few times."""
            for _ in range(4):
                content = parts(body) if chunked else body
                named = {**headers(body), **(more or {})}.items()
                lines = [(name.encode(), value.encode("latin-1")) for name, value in named]
                if more is UPGRADE:  # nobody can tell where the next request on its connection would begin
                    async with httpx.AsyncClient(base_url=ingest.url, timeout=60) as alone:
                        answer = await alone.post(path, content=content, headers=lines)
                else:
                    answer = await http.post(path, content=content, headers=lines)
                if answer.status_code != UNAVAILABLE:
                    break
            if answer.status_code == TAKEN:
                await expected.taken(body)
            return answer.status_code

        assert await post(packed(sound)) == TAKEN
        for number, make in enumerate(HOSTILE):
            bodies = [json.dumps(tree).encode() for tree in replaced(sound, make())][number % SHARE :: SHARE]
            for status, body in zip(await asyncio.gather(*map(post, bodies)), bodies, strict=True):
                assert status == TAKEN, body[:2000]
        before = process.memory_info().rss
        for chunked in (False, True):
            for name, (body, more, status) in raw.items():
                assert await post(body, more, chunked=chunked) == status, name
        assert process.memory_info().rss - before < 100 * MEGABYTE
        assert await post(packed(sound)) == TAKEN


async def parts(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 100_000):
        yield body[at : at + 100_000]


async def kafka_has(log: Log, expected: Expected) -> None:
    """All of it and nothing else; events can be read by their contract. Those of a 503 may be there twice."""
    assert {event.id.encode() for event in await log.events(EVENTS_TOPIC)} == expected.ids
    dead = await log.records(f"{EVENTS_TOPIC}.dead")
    assert {(dict(one.headers)["okno-dead-cause"], one.value) for one in dead} == expected.dead
    assert {cause for cause, _ in expected.dead} == {b"unparsable", b"too_large"}
    assert b"XVerificationToken" not in b"".join(one.value for one in dead)


def signed(secret: str) -> Headers:
    def headers(body: bytes) -> dict[str, str]:
        at = str(int(time.time()))
        mac = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={mac}"}

    return headers


async def test_hostile_events_of_slack(kafka: EmbeddedKafka, platforms: Platforms, log: Log) -> None:
    secrets, expected = slack_secrets(platforms), Expected(slack.parse, "slack")
    headers, sound = signed(secrets["SLACK_SIGNING_SECRET"]), {**SLACK, "token": "XVerificationToken"}
    async with running("ingest-slack", kafka, **secrets) as ingest:
        await hostile(ingest, "/slack/events", headers, sound, {**RAW, **RAW_SLACK}, expected)
    await kafka_has(log, expected)


async def takes_what_names_a_bot(url: str, headers: dict[str, str]) -> None:
    """Until Telegram has told our own name such updates are answered 503."""
    async with httpx.AsyncClient() as http, asyncio.timeout(30):
        while (await http.post(url, content=packed(TELEGRAM), headers=headers)).status_code == UNAVAILABLE:
            await asyncio.sleep(0.05)


async def test_hostile_updates_of_telegram(kafka: EmbeddedKafka, platforms: Platforms, log: Log) -> None:
    def parse(update: dict[str, Any], at: datetime) -> Parsed:
        return telegram.parse(update, telegram.Bot(bot, BotIdentity().username), at)

    bot, secrets = int(BotIdentity().token.split(":")[0]), telegram_secrets(platforms, "webhook")
    expected, token = Expected(parse, "telegram"), {"X-Telegram-Bot-Api-Secret-Token": secrets["TELEGRAM_SECRET_TOKEN"]}
    async with running("ingest-telegram", kafka, **secrets) as ingest:
        await takes_what_names_a_bot(f"{ingest.url}/telegram/{bot}", token)
        await hostile(ingest, f"/telegram/{bot}", lambda _: token, TELEGRAM, {**RAW, **RAW_TELEGRAM}, expected)
    await kafka_has(log, expected)
