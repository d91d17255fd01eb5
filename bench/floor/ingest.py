"""`python -m bench.floor.ingest`: signature, parse, publish, 200."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import uvicorn

from bench.floor.common import EVENTS, Publisher, headers, producer, ready, run


def moment(ts: str) -> str:
    """Slack's `ts` as ISO 8601."""
    seconds, _, fraction = ts.partition(".")
    return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(fraction)).isoformat()


def normalized(payload: dict[str, Any], received_at: str) -> tuple[str, str, bytes]:
    """Channel key, message key, and the event's JSON, with the fields of Okno's."""
    event = payload["event"]
    channel, ts = f"slack:{event['channel']}", event["ts"]
    key = f"{channel}:{ts}"
    value = {
        "channel": {"key": channel, "platform": "slack", "workspace": payload["team_id"], "type": "public"},
        "occurred_at": moment(ts),
        "received_at": received_at,
        "backfilled": False,
        "message_key": key,
        "author": {"key": f"slack:{event['user']}", "is_bot": False, "is_self": False},
        "text": event["text"],
        "mentions": [],
        "mentions_us": False,
        "attachments": [],
    }
    if (thread := event.get("thread_ts")) is not None and thread != ts:
        value["thread"] = thread
    return channel, key, orjson.dumps(value)


async def main() -> None:
    secret = os.environ["SLACK_SIGNING_SECRET"].encode()
    to = await producer()
    partition_of = Publisher(to).partition

    async def app(scope: Any, receive: Any, send: Any) -> None:
        parts = []
        while True:
            message = await receive()
            parts.append(message["body"])
            if not message.get("more_body"):
                break
        content = b"".join(parts)
        given = dict(scope["headers"])
        timestamp = given[b"x-slack-request-timestamp"]
        expected = b"v0=" + hmac.new(secret, b"v0:" + timestamp + b":" + content, hashlib.sha256).hexdigest().encode()
        status = 401
        if hmac.compare_digest(expected, given[b"x-slack-signature"]) and abs(time.time() - int(timestamp)) < 300:
            now = datetime.now(UTC).isoformat()
            channel, key, value = normalized(orjson.loads(content), now)
            of = headers(key, "okno.chat.message_posted.v1", "floor/ingest", now)
            routing = channel.encode()
            sent = await to.send(EVENTS, value, key=routing, partition=partition_of(routing), headers=of)
            await sent
            status = 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(
        app, host="127.0.0.1", port=int(os.environ["HTTP_PORT"]), http="httptools", ws="none", loop="none",
        lifespan="off", log_config=None, access_log=False, server_header=False, timeout_keep_alive=75,
    )  # fmt: skip
    ready()
    try:
        await uvicorn.Server(config).serve()
    finally:
        await to.stop()


if __name__ == "__main__":
    run(main)
