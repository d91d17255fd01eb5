"""The buckets of whole workspaces and bots, shared by all notifiers in PostgreSQL, on its clock.

A bucket drains by one call each `interval`; `full_at` is when it would be full again, so it has room while that lies
within its burst. `held_until` is the platform's own word (Retry-After), and outlives restarts. Buckets are locked in
the order of their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.database import Connection
from contracts.keys import Platform


@dataclass(frozen=True, slots=True)
class Rate:
    """One call each `interval` seconds, `burst` of them at once. In any minute: 60 / interval + burst."""

    interval: float
    burst: int


TELEGRAM_BOT = Rate(1 / 24, 4)
"""Telegram: about 30 messages a second for a bot in all."""

SLACK_POSTS = Rate(60 / 230, 20)
"""Slack: several hundred posts a minute in a workspace."""

SLACK_TIER_3 = Rate(60 / 42, 8)
"""Slack's third tier: 50 a minute for chat.update, chat.delete and conversations.replies and .history, each."""

SLACK_ERRANDS = {"post": SLACK_POSTS}

ENSURE = """
INSERT INTO buckets (name, full_at, held_until)
SELECT unnest($1::text[]), clock_timestamp(), '-infinity' ON CONFLICT DO NOTHING"""
LOCK = """
SELECT name, full_at, CASE WHEN held_until > clock_timestamp() THEN held_until END AS held_until,
       clock_timestamp() AS at
  FROM buckets WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE"""
SET = """
UPDATE buckets b SET full_at = n.full_at FROM unnest($1::text[], $2::timestamptz[]) AS n (name, full_at)
 WHERE b.name = n.name"""
HOLD = """
INSERT INTO buckets (name, full_at, held_until)
VALUES ($1, clock_timestamp(), clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (name) DO UPDATE SET held_until = greatest(buckets.held_until, excluded.held_until)"""


def bucket_of(workspace: str, errand: str) -> str:
    """Slack counts each method of a workspace for itself, Telegram all calls of a bot together."""
    return workspace if workspace.startswith(f"{Platform.TELEGRAM}:") else f"{workspace}/{errand}"


def errands_of(bucket: str) -> list[str]:
    """The `<workspace>/<errand>` pairs that a bucket serves."""
    if "/" in bucket:
        return [bucket]
    return [f"{bucket}/{errand}" for errand in ("post", "edit", "delete", "read")]


def rate_of(bucket: str) -> Rate:
    """How fast a bucket may be drained."""
    _, slash, errand = bucket.partition("/")
    return SLACK_ERRANDS.get(errand, SLACK_TIER_3) if slash else TELEGRAM_BOT


@dataclass(frozen=True, slots=True)
class Grant:
    """`calls` may be made now; the next one in `wait` seconds. `full_at` is what the bucket then holds."""

    calls: int
    wait: float
    full_at: datetime


def grant(full_at: datetime, held_until: datetime | None, now: datetime, wanted: int, rate: Rate) -> Grant:
    """How many of the wanted calls a bucket has room for."""
    if held_until is not None and held_until > now:
        return Grant(0, (held_until - now).total_seconds(), full_at)
    start = max(full_at, now)
    room = rate.burst - (start - now).total_seconds() / rate.interval
    calls = min(wanted, max(0, int(room + 1e-6)))
    left = start + timedelta(seconds=calls * rate.interval)
    wait = (left - now).total_seconds() - (rate.burst - 1) * rate.interval
    return Grant(calls, max(0.0, wait), left)


async def take(connection: Connection, wanted: Mapping[str, int]) -> tuple[dict[str, int], dict[str, float]]:
    """Calls granted by bucket, and the buckets that couldn't grant all, with the seconds until they can grant one."""
    if not wanted:
        return {}, {}
    names = sorted(wanted)
    rows = await connection.fetch(LOCK, names)
    if len(rows) < len(names):
        await connection.execute(ENSURE, names)
        rows = await connection.fetch(LOCK, names)
    grants = {
        row["name"]: grant(row["full_at"], row["held_until"], row["at"], wanted[row["name"]], rate_of(row["name"]))
        for row in rows
    }
    await connection.execute(SET, list(grants), [one.full_at for one in grants.values()])
    closed = {name: one.wait for name, one in grants.items() if one.calls < wanted[name]}
    return {name: one.calls for name, one in grants.items()}, closed


async def hold(connection: Connection, bucket: str, seconds: float) -> None:
    """The platform closes the bucket for so long."""
    await connection.execute(HOLD, bucket, seconds)
