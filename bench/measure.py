"""One side, one load: what was sent, when it could be read, and what it cost."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import orjson

from bench import usage
from bench.load import Mode, Plan, Sent
from bench.numbers import percentile
from bench.options import Options
from bench.side import Side
from bench.visible import commit_times
from bench.webhooks import APART_US
from sandbox.stack.environment import base_environment
from sandbox.stack.paths import ROOT

_MILLION = 1_000_000


class LoadFailed(Exception):
    """The generator failed, or webhooks weren't accepted."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from sending a webhook; `answer` until its 200, the others until its message is visible."""

    p50_ms: float
    p99_ms: float
    answer_p50_ms: float
    answer_p99_ms: float
    after_commit_ms: float | None = None
    """How much later than its commit time a row was seen by SELECT, at the median; known where somebody looked."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished load. `cpu_us` is by process and message; `generator_share` is the generator's CPU by wall time."""

    messages: int
    per_second: float
    latency: Latency
    cpu_us: dict[str, float]
    generator_share: float
    sent_again: int
    """After a 503, as a platform does."""


class Loader:
    """Runs generators, one after another; message times only go forward."""

    def __init__(
        self, options: Options, *, secret: str, dsn: str, database: asyncpg.Connection[asyncpg.Record]
    ) -> None:
        self._options = options
        self._secret = secret
        self._dsn = dsn
        self._database = database
        self._next_us = 0
        self._seed = 0

    async def run(
        self, side: Side, mode: Mode, messages: int, watched: Mapping[str, int], *, connections: int | None = None
    ) -> Run:
        """`watched` are the processes whose CPU is counted, by name."""
        plan = self._plan(side, mode, messages, connections or self._options.connections)
        before = {name: usage.cpu_seconds(pid) for name, pid in watched.items()}
        notes, generator = await generate(plan)
        refused = [note.status for note in notes if note.status != 200]
        if refused:
            raise LoadFailed(f"{side.name}: {len(refused)} of {len(notes)} webhooks were answered {refused[0]}")
        committed = await commit_times(self._database, side, [note.key for note in notes])
        after = {name: usage.cpu_seconds(pid) for name, pid in watched.items()}
        first = min(note.sent for note in notes)
        wall = (max(committed.values()) - first) / 1e9
        sending = (max(note.answered for note in notes) - first) / 1e9
        cpu = usage.spent(before, after, messages)
        return Run(
            messages,
            messages / wall,
            _latency(notes, committed),
            cpu,
            generator / sending,
            sum(note.again for note in notes),
        )

    def _plan(self, side: Side, mode: Mode, messages: int, connections: int) -> Plan:
        self._seed += 1
        start = max(self._next_us, time.time_ns() // 1000)
        self._next_us = start + messages * APART_US
        return Plan(
            mode,
            side.events_url,
            self._secret,
            messages,
            connections,
            start,
            self._seed,
            phases=[(self._options.rate, messages)],
            dsn=self._dsn,
            schema=side.visible,
            result=str(self._options.state / "load.result"),
        )


async def generate(plan: Plan) -> tuple[list[Sent], float]:
    """What was sent, and the generator's seconds of CPU."""
    path = _written(plan)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", str(path), cwd=ROOT, env=base_environment(), stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode != 0:
        raise LoadFailed(f"the load generator failed:\n{said.decode(errors='replace')[-2000:]}")
    return _read(plan)


def _written(plan: Plan) -> Path:
    path = Path(plan.result).with_suffix(".plan")
    path.write_bytes(orjson.dumps(asdict(plan)))
    return path


def _read(plan: Plan) -> tuple[list[Sent], float]:
    made = orjson.loads(Path(plan.result).read_bytes())
    return [Sent(**note) for note in made["notes"]], made["cpu_seconds"]


def _latency(notes: Sequence[Sent], committed: Mapping[str, int]) -> Latency:
    seen = all(note.seen for note in notes)
    visible = [((note.seen if seen else committed[note.key]) - note.sent) / _MILLION for note in notes]
    answered = [(note.answered - note.sent) / _MILLION for note in notes]
    later = [(note.seen - committed[note.key]) / _MILLION for note in notes] if seen else []
    return Latency(
        round(percentile(visible, 0.5), 3),
        round(percentile(visible, 0.99), 3),
        round(percentile(answered, 0.5), 3),
        round(percentile(answered, 0.99), 3),
        round(percentile(later, 0.5), 3) if later else None,
    )
