"""Samples while a campaign runs: what each process holds: memory, file descriptors, connections."""

from __future__ import annotations

import asyncio
import contextlib

import psutil

from chaos.nemesis_plan import PROCESSES
from chaos.records import Records
from sandbox.stack.stack import Stack

HOLDING_SECONDS = 2.0


async def holdings(stack: Stack, records: Records) -> None:
    """Runs until cancelled."""
    while True:
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
