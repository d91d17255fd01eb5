"""The real stack: what stack.json says is true, and every process can be killed and started again from it alone."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import httpx

from sandbox.stack.info import ProcessInfo
from sandbox.stack.process import tail
from sandbox.stack.stack import Stack

SERVICES = {
    "ingest-slack", "ingest-telegram", "ingest-worker", "router-0", "router-1", "ticketing-api", "ticketing-worker-0",
    "notifier-0", "sandbox",
}  # fmt: skip


async def test_every_process_is_up_ready_and_described(stack: Stack) -> None:
    info = stack.info
    assert set(info.processes) == SERVICES | {"kafka", "postgres"}
    async with httpx.AsyncClient(trust_env=False) as client:
        for name, entry in info.processes.items():
            process = stack.process(name)  # the file has the first pid, other tests may have started it again
            assert process.alive(), name
            assert int(Path(entry.pid_file).read_text()) == process.pid, name
            assert await stack.ready(name), name
        for name, url in info.metrics.items():
            page = (await client.get(url)).text
            assert f'okno_process_info{{kind="{name.removesuffix("-0").removesuffix("-1")}",name="{name}"}} 1.0' in page
        headers = {"Authorization": f"Bearer {info.ticketing_api.token}"}
        assert (await client.get(f"{info.ticketing_api.url}/v1/agents", headers=headers)).status_code == 200
        assert (await client.get(f"{info.ticketing_api.url}/v1/agents")).status_code == 401
        assert (await client.get(f"{info.sandbox.url}/tickets/v1/agents")).status_code == 200


def start_again(entry: ProcessInfo) -> subprocess.Popen[bytes]:
    with Path(entry.log).open("ab") as log:
        return subprocess.Popen(entry.command, env=entry.env, cwd=entry.cwd, stdout=log, stderr=log)


async def test_a_driver_starts_any_killed_process_again_from_the_file_alone(stack: Stack) -> None:
    replacements: dict[str, subprocess.Popen[bytes]] = {}
    attached = Stack.attached(stack.state)
    for name in stack.info.processes:
        os.kill(stack.process(name).pid, signal.SIGKILL)
    try:
        for group in ({"kafka", "postgres"}, SERVICES):
            replacements |= {name: start_again(stack.info.processes[name]) for name in group}
            for name in group:
                while not await attached.ready(name):
                    assert replacements[name].poll() is None, tail(Path(stack.info.processes[name].log))
        for name, replacement in replacements.items():
            assert int(Path(stack.info.processes[name].pid_file).read_text()) == replacement.pid, name
            assert attached.process(name).pid == replacement.pid
    finally:
        for name, replacement in reversed(replacements.items()):
            replacement.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        for replacement in replacements.values():
            replacement.wait()
