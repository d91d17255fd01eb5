"""`python -m bench`: see docs/benchmarks.md. Exit code 0 when it was measured, whatever the figures are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

import orjson

from bench import machine, overload
from bench.hops import record_bytes
from bench.options import Options, parse
from bench.profiling import hot_spots
from bench.report import Results, results_of
from bench.rounds import measure, running
from bench.stage import Stage, stage
from bench.table import lines
from sandbox.stack.errors import StackError
from sandbox.stack.progress import Progress

_TOPICS = {
    "okno": {name: name.removesuffix(".v1") for name in ("chat.events.v1", "ticket.commands.v1", "ticket.events.v1")},
    "floor": {f"floor.{name}": name for name in ("chat.events", "ticket.commands", "ticket.events")},
}


async def run(options: Options) -> None:
    progress = Progress()
    about: dict[str, object] = {"commit": machine.commit()}
    async with stage(options, progress) as ready:
        if options.profile is not None:
            await _profile(ready, options.profile, options, progress)
            return
        if options.overload_minutes is not None:
            await overload.measure(ready, options, options.overload_minutes, progress)
            return
        version = await ready.database.fetchval("SHOW server_version")
        about["machine"] = machine.describe(version)
        rounds = await measure(ready, options, progress)
        servers = ready.stack.info.kafka.bootstrap_servers
        about["record_bytes"] = {side: await record_bytes(servers, topics) for side, topics in _TOPICS.items()}
    results = results_of(rounds, options, **about)
    _show(results)
    options.results.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")
    print(f"\nWritten to {options.results}")


async def _profile(ready: Stage, process: str, options: Options, progress: Progress) -> None:
    async with running(ready, ready.okno):
        watched: Mapping[str, int] = ready.okno.pids()
        if process not in watched:
            raise StackError(f"there is no process {process}; there are {', '.join(watched)}")
        with progress.step(f"Full load, {process} sampled") as step:
            await ready.loader.run(ready.okno, "closed", options.warm_up, watched)
            done = await ready.loader.run(ready.okno, "closed", options.messages, watched)
            step.update(f"{done.per_second:,.0f} messages/s")
        cpu_us = done.cpu_us[process]
    for line in hot_spots(options.state / "profile", cpu_us):
        print(line)


def _show(results: Results) -> None:
    for line in lines(results):
        print(line)


if __name__ == "__main__":
    asyncio.run(run(parse(sys.argv[1:])))
