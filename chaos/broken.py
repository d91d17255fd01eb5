"""A payload of Slack's that breaks its own shape, signed as Slack signs: the dead letters keep it, without its
verification token.
"""

from __future__ import annotations

import hashlib
import hmac
import time

import httpx
import orjson

from chaos.facts import OF_NO_RECORD
from chaos.records import Records
from sandbox.stack.info import StackInfo

TOPIC = "chat.events.v1"


async def send_broken(info: StackInfo, records: Records) -> None:
    """To be called while nothing is broken yet: httpx.HTTPError when ingest doesn't take it."""
    event = {"type": "message", "channel": "C0BROKEN", "user": None, "text": "payment lesson thanks", "ts": 5}
    payload = {"token": info.slack.verification_token, "type": "event_callback", "team_id": info.slack.team_id}
    body, at = orjson.dumps({**payload, "event": event}), str(int(time.time()))
    signed = hmac.new(info.slack.signing_secret.encode(), b"v0:%s:%s" % (at.encode(), body), hashlib.sha256)
    headers = {
        "content-type": "application/json",
        "x-slack-request-timestamp": at,
        "x-slack-signature": f"v0={signed.hexdigest()}",
    }
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        (await client.post(info.slack.events_url, content=body, headers=headers)).raise_for_status()
    records.write("poison", topic=TOPIC, offsets=[OF_NO_RECORD])
