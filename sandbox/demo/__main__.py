"""Starts the stack, plays both stories, shows both journeys of a ticket, and stays up until Ctrl-C (or ends: ONCE=1).

Exit code 0 when every step was seen; 1 naming the step that was not, or the part that did not start; 130 when ONCE=1
was interrupted.
"""

import argparse
import asyncio
import dataclasses
import sys

import httpx

from sandbox.demo.story import Teller
from sandbox.scenarios.clients import Clients
from sandbox.scenarios.model import STORIES, load
from sandbox.scenarios.play import SECONDS, NotSeen, play
from sandbox.stack.__main__ import addresses
from sandbox.stack.environment import base_environment
from sandbox.stack.errors import StackError
from sandbox.stack.info import StackInfo
from sandbox.stack.options import from_environment
from sandbox.stack.paths import ROOT
from sandbox.stack.progress import Progress
from sandbox.stack.stack import Stack

TRACE_SECONDS = 5.0


async def demo(options: argparse.Namespace, progress: Progress) -> int:
    chosen = dataclasses.replace(from_environment(), traces_page=options.traces)
    async with Stack(chosen, progress=progress) as stack, httpx.AsyncClient(timeout=30) as http:
        clients = Clients(http, stack.info)
        steps = 0
        for name in STORIES:
            try:
                steps += await _story(name, clients, stack.info, progress, options)
            except NotSeen as error:
                progress.say(f"\nThe demo failed at the step «{error.step.name}»:\n  {error.why}\n  Logs: .okno/logs/")
                return 1
        progress.say(f"\nEvery step was seen ({steps} steps).")
        if options.once:
            return 0
        progress.say("\nOkno is up. Try it yourself:")
        for line in addresses(stack.info):
            progress.say(line)
        progress.say("Ctrl-C stops everything.")
        await stack.watch()
    return 0


async def _story(name: str, clients: Clients, info: StackInfo, progress: Progress, options: argparse.Namespace) -> int:
    """Play one story and show the journeys of its ticket; how many steps it had."""
    scenario = load(name)
    progress.say(f"\n=== {scenario.title} ===")
    teller = Teller(progress, clients)
    cast = await play(scenario, clients, teller.step, seconds=options.seconds, leave_out=options.leave_out)
    for trace in cast.traces.values():
        await _all_here(clients, trace)
    ticket = next(iter(cast.tickets.values()))
    progress.say(f"\nokno trace {ticket}\n{await _okno_trace(info, ticket)}")
    return len(scenario.steps)


async def _all_here(clients: Clients, trace_id: str) -> None:
    """Spans leave the processes in batches: wait until their number stays the same."""
    seen = 0
    deadline = asyncio.get_running_loop().time() + TRACE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        count = len(await clients.trace(trace_id))
        if count and count == seen:
            return
        seen = count
        await asyncio.sleep(1.2)


async def _okno_trace(info: StackInfo, ticket: str) -> str:
    env = {
        **base_environment(),
        "OKNO_API_URL": info.ticketing_api.url,
        "OKNO_API_TOKEN": info.ticketing_api.token,
        "TRACE_STORE_URL": f"sandbox+{info.sandbox.traces_url}",
    }
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "trace", ticket), cwd=ROOT, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    return (await running.communicate())[0].decode().rstrip()


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop after the stories")
    parser.add_argument("--traces", action="store_true", help="also start a trace page (Zipkin)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="longest wait for a step to be seen")
    parser.add_argument("--leave-out", help="a step whose action is not done: the demo must then fail at it")
    options = parser.parse_args(given)
    try:
        return asyncio.run(demo(options, Progress()))
    except StackError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("\nStopped.\n")
        return 130 if options.once else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
