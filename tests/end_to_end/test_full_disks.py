"""The disk of PostgreSQL or Kafka is full for a while: what was accepted is kept, the rest is sent again.

The disks are small tmpfs, which only root may mount; elsewhere the tests are skipped.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sandbox.stack.options import StackOptions
from sandbox.stack.progress import SILENT
from sandbox.stack.stack import Stack
from tests.conftest import run_aside, server_folder
from tests.end_to_end.conftest import ELSEWHERE, IMPATIENT
from tests.end_to_end.support.town import Town
from tests.end_to_end.support.waiting import until

SIZES_MB = {"postgres": 320, "kafka": 320}
LONG = "x" * 3000


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"a small disk can't be mounted here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack of its own, whose servers have small disks."""
    with pytest.MonkeyPatch.context() as environment, server_folder("full") as state:
        for name in ELSEWHERE:
            environment.delenv(name, raising=False)
        data = state / "data"
        with small_disk(data / "postgres", SIZES_MB["postgres"]), small_disk(data / "kafka", SIZES_MB["kafka"]):
            options = StackOptions(state=state, stable_ports=False, extra_env={"notifier": IMPATIENT})
            running = Stack(options, progress=SILENT)
            run_aside(running.start)
            yield running
            run_aside(running.stop)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Nothing fits on the disk any more, until the end."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    try:
        yield
    finally:
        ballast.unlink()


async def test_postgres_disk_full_under_traffic(town: Town) -> None:
    """Webhooks are accepted meanwhile; PostgreSQL refuses, or ends and can't start, until there is room again."""
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(4)]
    for talk in talks:
        await talk.says()
    await talks[0].answered()

    async def refused() -> bool:
        for talk in talks:  # there is room left in files that are there: it has to be filled
            await talk.says(f"line {len(talk.lines) + 1} of {talk.name} {LONG}")
        log = (town.stack.state / "logs" / "router-0.log").read_text()
        return not town.stack.process("postgres").alive() or log.count("sql_53100") >= 5

    with full(town.stack.state / "data" / "postgres"):
        await until(refused, what="PostgreSQL to take nothing more", seconds=120)
    await town.stack.revive()
    for talk in talks:
        await talk.says()
    await talks[1].answered()
    await town.check(seconds=180)


async def test_kafka_disk_full_under_traffic(town: Town) -> None:
    """Kafka ends when its only disk fails. Webhooks are refused meanwhile, and come again."""
    await town.speed(10)
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(4)]
    for talk in talks:
        await talk.says()

    async def ended() -> bool:
        await asyncio.gather(*(talk.says(f"line {len(talk.lines) + 1} of {talk.name} {LONG}") for talk in talks))
        return not town.stack.process("kafka").alive()

    with full(town.stack.state / "data" / "kafka"):
        await until(ended, what="Kafka to end", seconds=120)
    await town.stack.revive()
    await town.speed(100)
    await town.quiet.wait(seconds=120)
    for talk in talks:
        await talk.says()
    await talks[0].answered()
    await town.check(seconds=180)
