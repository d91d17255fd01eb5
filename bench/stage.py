"""What a measurement stands on: one Kafka and one PostgreSQL, embedded and fresh, both sides ready to be started, the
load generator, and a collector for the traces.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from bench.collector import collector
from bench.measure import Loader
from bench.options import Options
from bench.profiling import profiled
from bench.side import FloorSide, OknoSide
from sandbox.stack.options import StackOptions
from sandbox.stack.ports import free_port
from sandbox.stack.progress import Progress
from sandbox.stack.stack import CommandOf, Stack, okno_command

_MEASURED = (
    "ingest-slack", "ingest-telegram", "ingest-worker", "router", "ticketing-api", "ticketing-worker", "notifier",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """Both sides are stopped when the stage is set."""

    stack: Stack
    okno: OknoSide
    floor: FloorSide
    loader: Loader
    database: asyncpg.Connection[asyncpg.Record]


@asynccontextmanager
async def stage(options: Options, progress: Progress) -> AsyncIterator[Stage]:
    """Set the stage; everything that was started is stopped at the end."""
    port = free_port()
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "TRACE_SAMPLE_RATIO": str(options.sampling_ratio),
    }
    stack_options = StackOptions(
        state=options.state, stable_ports=False, fresh=True, extra_env=dict.fromkeys(_MEASURED, traced)
    )
    command_of: CommandOf = okno_command
    if options.profile is not None:
        command_of = profiled(options.profile, options.state / "profile")
    async with collector(port), Stack(stack_options, progress=progress, command_of=command_of) as stack:
        okno = OknoSide(stack)
        await okno.stop()
        await _keep_commit_times(stack)
        database = await asyncpg.connect(stack.info.postgres.dsn)
        try:
            await okno.prepare(database)
            floor = FloorSide(stack.info, options.state)
            await floor.prepare()
            secret = stack.info.slack.signing_secret
            loader = Loader(options, secret=secret, dsn=stack.info.postgres.dsn, database=database)
            yield Stage(stack, okno, floor, loader, database)
        finally:
            await database.close()


async def _keep_commit_times(stack: Stack) -> None:
    """A setting that takes a restart; both sides pay for it alike."""
    connection = await asyncpg.connect(stack.info.postgres.dsn)
    await connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    await connection.close()
    await stack.restart("postgres")
