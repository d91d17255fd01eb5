"""More than Okno is rated for: what is acknowledged is kept, memory stays bounded, and latency comes back by itself.

One open-loop generator sends at the rated speed, then for minutes at the overload's, then at the rated speed again:
nobody waits for answers, and a message counts from the time at which it was due.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import asyncpg
import orjson
import psutil

from bench import machine, usage
from bench.load import Plan, Sent
from bench.measure import generate
from bench.numbers import percentile
from bench.options import Options
from bench.rounds import running
from bench.side import server_pids
from bench.stage import Stage
from bench.visible import NotVisible, found_times
from sandbox.stack.inside.backlog import backlog
from sandbox.stack.inside.log import Log
from sandbox.stack.progress import Progress

RATED_SECONDS = 20.0
CONNECTIONS = 256
SAMPLE_SECONDS = 2.0
CALM_SECONDS = 5
"""Latency is back to normal when it stays there for so long."""

NORMAL = 2.0
"""Normal is a 99th percentile of at most so many times the one before the overload."""

CALM_LOOKS = 3
PATIENCE_SECONDS = 900.0

_TWICE = """
SELECT count(*) FROM (SELECT FROM ticketing.history WHERE message_id IS NOT NULL GROUP BY message_id
                      HAVING count(*) > 1) AS twice"""
_HOMELESS = """
SELECT count(*) FROM ticketing.messages m
 WHERE NOT EXISTS (SELECT FROM ticketing.tickets t WHERE t.id = m.ticket_id)"""


@dataclass(frozen=True, slots=True)
class Phase:
    """A time of the load. Milliseconds are from when a message was due until its row was committed."""

    name: str
    rate: float
    messages: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(slots=True)
class Watch:
    """What was seen of the processes while they worked. Megabytes are resident; `lag` is records and outbox rows."""

    lag: list[tuple[float, int]] = field(default_factory=list)
    megabytes: dict[str, float] = field(default_factory=dict)
    looking: asyncio.Task[None] | None = None

    async def nothing_moves(self) -> None:
        """Wait until all records are read and all outboxes empty. Raises NotVisible."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        begun = len(self.lag)
        while len(self.lag) < begun + CALM_LOOKS or any(records for _, records in self.lag[-CALM_LOOKS:]):
            if self.looking is not None and self.looking.done():
                self.looking.result()
            if time.monotonic() > deadline:
                raise NotVisible(f"after {PATIENCE_SECONDS:.0f} s {self.lag[-1][1]} records are still under way")
            await asyncio.sleep(SAMPLE_SECONDS)


def phases_of(options: Options, minutes: float) -> list[tuple[str, float, int]]:
    """Name, rate and number of messages of each: before, during, and after (long enough for a backlog)."""
    seconds = minutes * 60
    times = [
        ("before", options.rate, RATED_SECONDS),
        ("overload", options.overload_rate, seconds),
        ("after", options.rate, RATED_SECONDS + seconds * 0.5),
    ]
    return [(name, rate, int(rate * seconds)) for name, rate, seconds in times]


def seconds_until_normal(latencies: Sequence[tuple[float, float]], normal_ms: float) -> float | None:
    """Whole seconds, from the first on, after which the 99th percentile of each of the next CALM_SECONDS is at most
    `normal_ms`. `latencies` are milliseconds, each after the seconds since the overload ended when its message was due.
    None: never.
    """
    by_second: defaultdict[int, list[float]] = defaultdict(list)
    for at, latency in latencies:
        by_second[int(at)].append(latency)
    calm = 0
    for second in range(max(by_second, default=-1) + 1):
        calm = calm + 1 if percentile(by_second[second] or [0.0], 0.99) <= normal_ms else 0
        if calm == CALM_SECONDS:
            return second + 1 - CALM_SECONDS
    return None


async def measure(stage: Stage, options: Options, minutes: float, progress: Progress) -> None:
    """Run it, write the results, and raise SystemExit when something acknowledged was lost or counted twice."""
    parts = phases_of(options, minutes)
    total = sum(count for _, _, count in parts)
    plan = Plan(
        mode="open",
        url=stage.okno.events_url,
        secret=stage.stack.info.slack.signing_secret,
        messages=total,
        connections=CONNECTIONS,
        start_us=time.time_ns() // 1000,
        seed=1,
        phases=[(rate, count) for _, rate, count in parts],
        result=str(options.state / "load.result"),
    )
    version = await stage.database.fetchval("SHOW server_version")
    about = {"commit": machine.commit(), "machine": machine.describe(version), "minutes": minutes}
    async with running(stage, stage.okno):
        await stage.loader.run(stage.okno, "closed", options.warm_up, {})
        processes = {**stage.okno.pids(), **server_pids(stage.stack)}
        at_rest = {name: resident_megabytes(pid) for name, pid in processes.items()}
        with progress.step(f"{minutes:g} minutes at {options.overload_rate:g} messages/s") as step:
            async with watching(stage, processes) as watch:
                notes, generator = await generate(plan)
                step.update("until nothing moves")
                await watch.nothing_moves()
        peaks = {name: usage.peak_megabytes(pid) for name, pid in stage.okno.pids().items()}
        memory = {
            name: {"at_rest": round(at_rest[name]), "peak": round(peaks.get(name, watch.megabytes[name]))}
            for name in processes
        }
    found = await found_times(stage.database, stage.okno, [note.key for note in notes])
    kept = await _kept(stage.database, notes, found)
    results = {
        **about,
        "kept": kept,
        "answers": {str(status): count for status, count in Counter(note.status for note in notes).items()},
        "answered_503_and_sent_again": sum(note.again for note in notes),
        "generator_cpu_seconds": round(generator, 1),
        **_latency(notes, found, parts),
        "memory_mb": memory,
        "most_lag": max(records for _, records in watch.lag),
        "lag": [[round(at), records] for at, records in watch.lag[:: len(watch.lag) // 60 + 1]],
    }
    options.results.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")
    progress.say(orjson.dumps({**results, "lag": "..."}, option=orjson.OPT_INDENT_2).decode())
    progress.say(f"Written to {options.results}")
    if any(kept[name] for name in ("lost", "taken_twice", "in_no_ticket")):
        sys.exit("What was acknowledged isn't in exactly one ticket.")


async def _kept(
    database: asyncpg.Connection[asyncpg.Record], notes: Sequence[Sent], found: Mapping[str, int]
) -> dict[str, int]:
    acknowledged = [note.key for note in notes if note.status == 200]
    return {
        "offered": len(notes),
        "acknowledged": len(acknowledged),
        "lost": sum(key not in found for key in acknowledged),
        "taken_twice": await database.fetchval(_TWICE),
        "in_no_ticket": await database.fetchval(_HOMELESS),
    }


def _latency(
    notes: Sequence[Sent], found: Mapping[str, int], parts: Sequence[tuple[str, float, int]]
) -> dict[str, Any]:
    phases: list[Phase] = []
    first = 0
    late: list[tuple[float, float]] = []
    for name, rate, count in parts:
        of_phase = [note for note in notes[first : first + count] if note.status == 200]
        first += count
        late = [((note.sent - of_phase[0].sent) / 1e9, latency_of(note, found)) for note in of_phase]
        values = [latency for _, latency in late]
        figures = (round(percentile(values, share), 1) for share in (0.5, 0.99, 1.0))
        phases.append(Phase(name, rate, count, *figures))
    return {
        "latency": [asdict(phase) for phase in phases],
        "seconds_until_normal": seconds_until_normal(late, NORMAL * phases[0].p99_ms),
    }


def latency_of(note: Sent, found: Mapping[str, int]) -> float:
    """Milliseconds from when it was due until its row was committed; infinite for one that was lost."""
    return (found[note.key] - note.sent) / 1e6 if note.key in found else float("inf")


def resident_megabytes(pid: int) -> float:
    """Of a process with its children, whose shared pages are counted once (PostgreSQL has many)."""
    process = psutil.Process(pid)
    children = process.children(recursive=True)
    if not children:
        return float(process.memory_info().rss) / 2**20
    total = 0
    for one in (process, *children):
        try:
            total += one.memory_full_info().pss
        except psutil.Error:  # gone meanwhile
            continue
    return total / 2**20


@asynccontextmanager
async def watching(stage: Stage, processes: Mapping[str, int]) -> AsyncIterator[Watch]:
    """Look at lag and memory while the block runs. A process that ends is an error: nobody restarts it here."""
    watch = Watch()
    log = Log(stage.stack.info.kafka.bootstrap_servers)
    database = await asyncpg.connect(stage.stack.info.postgres.dsn)
    began = time.monotonic()

    async def look() -> None:
        while True:
            moving = (await backlog(database, await log.ends())).moving
            watch.lag.append((time.monotonic() - began, moving))
            for name, pid in processes.items():
                watch.megabytes[name] = max(watch.megabytes.get(name, 0.0), resident_megabytes(pid))
            await asyncio.sleep(SAMPLE_SECONDS)

    watch.looking = looking = asyncio.create_task(look())
    try:
        yield watch
    finally:
        looking.cancel()
        await asyncio.wait({looking})
        await log.close()
        await database.close()
    if not looking.cancelled():
        looking.result()
