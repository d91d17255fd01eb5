"""Starts the stack, plays both stories, shows both journeys of a ticket, and stays up until Ctrl-C (or ends: ONCE=1).

Exit code 0 when every step was seen; 1 naming the step that was not, or the part that did not start; 130 when ONCE=1
was interrupted.
"""

import argparse
import asyncio
import dataclasses
import sys

import httpx

from sandbox.demo.stories import tell_all
from sandbox.scenarios.clients import Clients, Doors
from sandbox.scenarios.play import SECONDS, NotSeen
from sandbox.stack.__main__ import addresses
from sandbox.stack.errors import StackError
from sandbox.stack.options import from_environment
from sandbox.stack.progress import Progress
from sandbox.stack.stack import Stack


async def demo(options: argparse.Namespace, progress: Progress) -> int:
    chosen = dataclasses.replace(from_environment(), traces_page=options.traces)
    async with Stack(chosen, progress=progress) as stack, httpx.AsyncClient(timeout=30) as http:
        clients = Clients(http, Doors.of_stack(stack.info))
        try:
            steps = await tell_all(clients, progress, seconds=options.seconds, leave_out=options.leave_out)
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
