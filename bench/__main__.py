"""`python -m bench`: see docs/benchmarks.md."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

import asyncpg

from bench.collector import collector, scraping
from bench.measure import Loader, Run
from bench.options import Options, parse
from bench.side import FloorSide, OknoSide, Side, server_pids
from bench.usage import peak_megabytes
from sandbox.stack.options import StackOptions
from sandbox.stack.ports import free_port
from sandbox.stack.progress import Progress
from sandbox.stack.stack import Stack


async def main(options: Options) -> None:
    progress = Progress()
    port = free_port()
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "TRACE_SAMPLE_RATIO": str(options.sampling_ratio)}
    kinds = ("ingest-slack", "ingest-telegram", "ingest-worker", "router", "ticketing-api", "ticketing-worker", "notifier")
    stack_options = StackOptions(state=options.state, stable_ports=False, fresh=True, extra_env={k: env for k in kinds})
    async with collector(port), Stack(stack_options, progress=progress) as stack:
        okno = OknoSide(stack)
        await okno.stop()
        c = await asyncpg.connect(stack.info.postgres.dsn)
        await c.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        await c.close()
        await stack.restart("postgres")
        database = await asyncpg.connect(stack.info.postgres.dsn)
        floor = FloorSide(stack.info, options.state)
        await floor.prepare()
        loader = Loader(options, secret=stack.info.slack.signing_secret, dsn=stack.info.postgres.dsn, database=database)
        for n in range(options.rounds):
            for side in (floor, okno) if n % 2 == 0 else (okno, floor):
                with progress.step(f"{side.name} start"):
                    await side.start()
                try:
                    w = {**side.pids(), **server_pids(stack)}
                    with progress.step("warm up"):
                        await loader.run(side, "closed", options.warm_up, w)
                    for mode, count in (("closed", options.messages), ("open", int(options.rate * options.latency_seconds)), ("one", options.one)):
                        with progress.step(f"{side.name} {mode}") as step:
                            run = await loader.run(side, mode, count, w)
                        print(run)
                        print("sum", sum(run.cpu_us.values()))
                    print({k: round(peak_megabytes(p)) for k, p in w.items()})
                finally:
                    await side.stop()
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(parse(sys.argv[1:])))
