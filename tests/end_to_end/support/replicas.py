"""A further process of a kind beside those of the stack, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from sandbox.stack.ports import free_port
from sandbox.stack.process import RunningProcess, start, until_ready
from sandbox.stack.stack import Stack
from sandbox.stack.web import answers_ok
from tests import group_members

READY_SECONDS = 60.0


@asynccontextmanager
async def replica(stack: Stack, kind: str, number: int = 1) -> AsyncIterator[RunningProcess]:
    """`<kind>-<number>`, started as `<kind>-0` is but for name and port; ready at first, stopped in order at last.

    It is gone for good then: its partitions are the others' at once.
    """
    example, name = stack.process(f"{kind}-0").launch, f"{kind}-{number}"
    port = free_port()
    command = [name if part == example.name else part for part in example.command]
    pid_file = stack.state / "run" / f"{name}.pid"
    env = {**example.env, "PROCESS_NAME": name, "PROBE_PORT": str(port), "PID_FILE": str(pid_file), "FAULT_POINTS": ""}
    log = stack.state / "logs" / f"{name}.log"
    process = start(replace(example, name=name, command=command, env=env, log=log, pid_file=pid_file))
    try:
        await until_ready(process, lambda: answers_ok(f"http://127.0.0.1:{port}/readyz"), seconds=READY_SECONDS)
        yield process
    finally:
        await process.stop()
        await group_members.dismiss(stack.info.kafka.bootstrap_servers, name)
