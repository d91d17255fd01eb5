"""The worker's jobs in PostgreSQL: asked for once, taken by one worker at a time, deleted with their result.

A taken job's due time lies `TAKEN` ahead, so that a worker that dies or stops leaves it to another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from chassis.database import Connection

TAKEN_SECONDS = 60
ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 900
"""The alert of an unread gap looks back over several of them."""

ADD = """
INSERT INTO jobs (job_id, kind, payload, traceparent)
SELECT * FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[])
ON CONFLICT (job_id) DO NOTHING
"""
TAKE = """
UPDATE jobs SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
WHERE job_id IN (SELECT job_id FROM jobs WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING job_id, kind, payload, attempts, traceparent
"""
DONE = "DELETE FROM jobs WHERE job_id = $1"
POSTPONE = """
UPDATE jobs SET due_at = now() + make_interval(secs => $2), attempts = attempts - $3, payload = payload || $4::jsonb
WHERE job_id = $1
"""
GO_ON = "UPDATE jobs SET due_at = now(), attempts = 0, payload = $2::jsonb WHERE job_id = $1"
FRESH = """
SELECT key FROM profiles WHERE key = ANY($1::text[]) AND fetched_at > now() - make_interval(hours => $2)
"""
REMEMBER = """
INSERT INTO profiles AS p (key, digest) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE SET digest = EXCLUDED.digest, fetched_at = now(), erased_at = NULL
WHERE p.erased_at IS NULL OR p.erased_at < $3
RETURNING (SELECT old.digest FROM profiles old WHERE old.key = $1) IS DISTINCT FROM $2
"""

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Job:
    """`job_id` says what is wanted, so that the same wish is one job."""

    job_id: str
    kind: str
    payload: dict[str, Any]
    attempts: int = 0
    traceparent: str | None = None


async def add(connection: Connection, jobs: Iterable[Job]) -> None:
    rows = sorted({job.job_id: job for job in jobs}.values(), key=lambda job: job.job_id)
    if rows:
        await connection.execute(
            ADD,
            [job.job_id for job in rows],
            [job.kind for job in rows],
            [orjson.dumps(job.payload).decode() for job in rows],
            [job.traceparent for job in rows],
        )


async def take(connection: Connection, limit: int) -> list[Job]:
    rows = await connection.fetch(TAKE, limit, TAKEN_SECONDS)
    return [Job(r["job_id"], r["kind"], orjson.loads(r["payload"]), r["attempts"], r["traceparent"]) for r in rows]


async def done(connection: Connection, job: Job) -> None:
    await connection.execute(DONE, job.job_id)


async def postpone(
    connection: Connection, job: Job, seconds: float | None = None, noted: Mapping[str, Any] = _NOTHING
) -> None:
    """Try again later: after `seconds`, and the attempt doesn't count, or after a pause that doubles with each.

    `noted` goes into the payload; the rest of it stays as another worker may have left it.
    """
    pause = seconds if seconds is not None else _pause(job.attempts)
    await connection.execute(POSTPONE, job.job_id, pause, int(seconds is not None), orjson.dumps(noted).decode())


async def begin_anew(connection: Connection, job: Job, forgotten: int) -> None:
    """The platform doesn't know how far the job was. `forgotten`: how often by now; the pauses double with it, as the
    steps that succeed in between take the job no further.
    """
    await postpone(connection, job, _pause(forgotten), {"cursor": None, "forgotten": forgotten, "refusals": 0})


async def go_on(connection: Connection, job: Job) -> None:
    """A step of the job is done, and there are more: due at once. Its payload says where."""
    await connection.execute(GO_ON, job.job_id, orjson.dumps(job.payload).decode())


def _pause(times: int) -> float:
    return min(2.0 ** min(times, 16), LONGEST_PAUSE_SECONDS)


async def fresh(connection: Connection, keys: Iterable[str], hours: int) -> set[str]:
    """Those of the keys whose profile was fetched within the last `hours`."""
    return {row["key"] for row in await connection.fetch(FRESH, sorted(set(keys)), hours)}


async def remember(connection: Connection, key: str, digest: str, at: datetime) -> bool:
    """Note that a profile of that time was fetched; True when it differs from the one published before.

    One of an erased person counts only when it is newer than the erasure.
    """
    return bool(await connection.fetchval(REMEMBER, key, digest, at))
