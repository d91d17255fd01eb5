"""Floor and Okno in turn, each round in the other order: each is started, warmed up, measured and stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench import usage
from bench.collector import scraping
from bench.hops import RowCounter
from bench.measure import Run
from bench.options import Options
from bench.side import Side, server_pids
from bench.stage import Stage
from sandbox.stack.progress import Progress


@dataclass(slots=True)
class Measured:
    """One side in one round. `rows` are rows written a message, by table."""

    throughput: Run
    at_rate: Run
    one: Run
    rows: dict[str, float]
    memory_mb: dict[str, float]


@dataclass(slots=True)
class Rounds:
    """All rounds, by side."""

    floor: list[Measured] = field(default_factory=list)
    okno: list[Measured] = field(default_factory=list)
    memory_mb: dict[str, float] = field(default_factory=dict)
    """Peaks of Okno's processes, after the memory part where there was one."""

    def of(self, side: Side) -> list[Measured]:
        return self.okno if side.name == "okno" else self.floor


async def measure(stage: Stage, options: Options, progress: Progress) -> Rounds:
    rounds = Rounds()
    for number in range(options.rounds):
        sides: list[Side] = [stage.floor, stage.okno] if number % 2 == 0 else [stage.okno, stage.floor]
        for side in sides:
            title = f"Round {number + 1} of {options.rounds}, {side.name}"
            rounds.of(side).append(await _measure(stage, side, options, progress, title))
    if options.memory_minutes > 0:
        rounds.memory_mb = await _memory(stage, options, progress)
    else:
        rounds.memory_mb = rounds.okno[-1].memory_mb
    return rounds


async def _measure(stage: Stage, side: Side, options: Options, progress: Progress, title: str) -> Measured:
    rows = RowCounter(stage.database, side)
    await rows.begin()
    loader, sent = stage.loader, options.warm_up
    async with running(stage, side):
        watched = {**side.pids(), **server_pids(stage.stack)}
        with progress.step(f"{title}: starting and warming up"):
            await loader.run(side, "closed", options.warm_up, watched)
        with progress.step(f"{title}: throughput") as step:
            throughput = await loader.run(side, "closed", options.messages, watched)
            step.update(f"{throughput.per_second:,.0f} messages/s")
        with progress.step(f"{title}: {options.rate:.0f} messages/s") as step:
            at_rate = await loader.run(side, "open", int(options.rate * options.latency_seconds), watched)
            step.update(_said(at_rate))
        with progress.step(f"{title}: one in flight") as step:
            one = await loader.run(side, "one", options.one, watched, connections=1)
            step.update(_said(one))
        sent += throughput.messages + at_rate.messages + one.messages
        memory = {name: usage.peak_megabytes(pid) for name, pid in watched.items()}
    return Measured(throughput, at_rate, one, await rows.a_message(sent), memory)


async def _memory(stage: Stage, options: Options, progress: Progress) -> dict[str, float]:
    """Full load for some minutes, then the peaks."""
    async with running(stage, stage.okno):
        watched = {**stage.okno.pids(), **server_pids(stage.stack)}
        with progress.step(f"Memory: {options.memory_minutes:g} minutes under load") as step:
            while step.seconds() < options.memory_minutes * 60:
                await stage.loader.run(stage.okno, "closed", options.messages, watched)
                highest = max(usage.peak_megabytes(pid) for pid in stage.okno.pids().values())
                step.update(f"{highest:.0f} MB at most")
        return {name: usage.peak_megabytes(pid) for name, pid in watched.items()}


@asynccontextmanager
async def running(stage: Stage, side: Side) -> AsyncIterator[None]:
    """The side's processes run while the block does; Okno's metrics are scraped."""
    try:
        await side.start()
        async with scraping(stage.stack.info.metrics.values() if side is stage.okno else ()):
            yield
    finally:
        await side.stop()


def _said(run: Run) -> str:
    return f"p50 {run.latency.p50_ms:.1f} ms, p99 {run.latency.p99_ms:.1f} ms"
