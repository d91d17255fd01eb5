"""A database set back to an earlier copy is noticed: who reads Kafka refuses to go on, naming hole and command."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.stack.inside.backlog import READERS
from sandbox.stack.process import tail
from tests.end_to_end.support.town import Town
from tests.end_to_end.support.waiting import until

READING = {
    "ingest-worker": ("ingest", "ingest-worker"),
    "router-0": ("router", "router"),
    "router-1": ("router", "router"),
    "ticketing-worker-0": ("ticketing", "ticketing"),
    "notifier-0": ("notifier", "notifier"),
}
PUBLISHED = {
    "router": ("ticket.commands.v1",),
    "ticketing": ("ticket.events.v1",),
    "notifier": ("chat.receipts.v1",),
}
"""What shows it too, to a process that starts: it is looked at first."""

NOTICING = ("ingest-worker", "router-0", "router-1", "ticketing-worker-0")
"""These notice by themselves while they run; nothing new reaches the one behind them."""


@asynccontextmanager
async def stopped_postgres(town: Town) -> AsyncIterator[Path]:
    """The data folder of the stopped server, which is started again at the end."""
    await town.stack.stop_process("postgres")
    yield town.stack.state / "data" / "postgres" / "data"
    await town.stack.start_process("postgres")


def copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def refusals(text: str) -> list[str]:
    return [line for line in text.splitlines() if "okno positions accept" in line]


async def ended(town: Town, process: str) -> None:
    """Wait until a process has ended by itself, with the exit code of a failure."""

    async def dead() -> bool:
        return not town.stack.process(process).alive()

    await until(dead, what=f"{process} refuses to go on")
    assert town.stack.process(process).exit_code() == 1


@pytest.mark.parametrize("while_they_run", [False, True], ids=["while they are stopped", "while they run"])
async def test_a_database_set_back_is_refused_and_the_right_one_is_taken_again(
    town: Town, while_they_run: bool
) -> None:
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(8)]
    for talk in talks:
        await talk.says()
        await talk.answered()
    await town.check()
    earlier, later = town.stack.state / "earlier", town.stack.state / "later"
    async with stopped_postgres(town) as data:
        copy(data, earlier)
    for talk in talks:
        await talk.says()
        await talk.answered()
    await town.check()

    if not while_they_run:
        await asyncio.gather(*map(town.stack.stop_process, READING))
    logs = {process: town.stack.process(process).launch.log for process in READING}
    lengths = {process: log.stat().st_size for process, log in logs.items()}
    async with stopped_postgres(town) as data:
        copy(data, later)
        copy(earlier, data)
    try:
        if while_they_run:
            for talk in talks:
                await talk.says()
        else:
            await asyncio.gather(*(town.stack.start_process(process, wait=False) for process in READING))
        for process, (schema, consumer) in READING.items():
            if while_they_run and process not in NOTICING:
                await town.stack.stop_process(process)
                await town.stack.start_process(process, wait=False)
            await ended(town, process)
            said = logs[process].read_bytes()[lengths[process] :].decode()
            told = f"okno positions accept {schema} ({consumer}|published) "
            refused = [line for line in refusals(said) if re.search(told, line)]
            assert refused, tail(logs[process])
            named = (*READERS[schema, consumer], *PUBLISHED.get(schema, ()))
            assert any(topic in line for line in refused for topic in named)
            assert any("by a database that isn't this one" in line for line in refused)
    finally:
        async with stopped_postgres(town) as data:
            copy(later, data)
        await town.stack.revive()
    for talk in talks:
        await talk.says()
        await talk.answered()
    await town.check()
