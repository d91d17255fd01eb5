"""Both stories, one after the other: each step told as it is seen, then the journeys of the story's ticket."""

import asyncio
import os
import sys

from sandbox.demo.story import Teller
from sandbox.scenarios.clients import Clients, Doors
from sandbox.scenarios.model import STORIES, load
from sandbox.scenarios.play import SECONDS, play
from sandbox.stack.paths import ROOT
from sandbox.stack.progress import Progress

TRACE_SECONDS = 5.0


async def tell_all(
    clients: Clients, progress: Progress, *, seconds: float = SECONDS, leave_out: str | None = None
) -> int:
    """Play all stories; how many steps they had. NotSeen at the first step that isn't seen within `seconds`."""
    return sum([await _story(name, clients, progress, seconds, leave_out) for name in STORIES])


async def _story(name: str, clients: Clients, progress: Progress, seconds: float, leave_out: str | None) -> int:
    scenario = load(name)
    progress.say(f"\n=== {scenario.title} ===")
    teller = Teller(progress, clients)
    cast = await play(scenario, clients, teller.step, seconds=seconds, leave_out=leave_out)
    for trace in cast.traces.values():
        await all_here(clients, trace)
    ticket = next(iter(cast.tickets.values()))
    progress.say(f"\nokno trace {ticket}\n{await okno_trace(clients.doors, ticket)}")
    return len(scenario.steps)


async def all_here(clients: Clients, trace_id: str) -> None:
    """Spans leave the processes in batches: wait until their number stays the same."""
    seen = 0
    deadline = asyncio.get_running_loop().time() + TRACE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        count = len(await clients.trace(trace_id))
        if count and count == seen:
            return
        seen = count
        await asyncio.sleep(1.2)


async def okno_trace(doors: Doors, ticket: str) -> str:
    """What `okno trace TICKET` prints."""
    env = {
        **os.environ,
        "OKNO_API_URL": doors.api,
        "OKNO_API_TOKEN": doors.token or "the sandbox adds it",
        "TRACE_STORE_URL": f"sandbox+{doors.traces}",
    }
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "trace", ticket), cwd=ROOT, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    return (await running.communicate())[0].decode().rstrip()
