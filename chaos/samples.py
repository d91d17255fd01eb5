"""Samples while a campaign runs: what each process holds (memory, file descriptors, connections), and the command lines
that everybody on the machine can see.
"""

from __future__ import annotations

import asyncio
import contextlib

import psutil

from chaos.nemesis_plan import PROCESSES
from chaos.records import Records
from sandbox.stack.stack import Stack

HOLDING_SECONDS = 2.0
_BACKEND = "postgres: "
"""PostgreSQL names its processes for a person's database and what it does; there are new ones all the time."""


async def holdings(stack: Stack, records: Records) -> None:
    """Runs until cancelled."""
    shown: set[tuple[int, str]] = set()
    while True:
        _command_lines(records, shown)
        for name in PROCESSES:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(stack.process(name).pid)
                held = {
                    "pid": process.pid,
                    "megabytes": round(process.memory_info().rss / 2**20, 1),
                    "files": process.num_fds(),
                    "connections": len(process.net_connections("tcp")),
                }
                records.write("holds", process=name, **held)
        await asyncio.sleep(HOLDING_SECONDS)


def _command_lines(records: Records, known: set[tuple[int, str]]) -> None:
    """Of all processes that this one has started, and that they have started."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            shown = " ".join(process.cmdline())
            if shown and not shown.startswith(_BACKEND) and (process.pid, shown) not in known:
                known.add((process.pid, shown))
                records.write("command line", pid=process.pid, shown=shown)
