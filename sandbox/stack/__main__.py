"""`python -m sandbox.stack up|down|status`: the stack in the background, for `make up`, `make down`, `make status`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from sandbox.stack.cleanup import any_running
from sandbox.stack.errors import StackError
from sandbox.stack.folder import StateFolder
from sandbox.stack.info import StackInfo
from sandbox.stack.options import from_environment
from sandbox.stack.paths import STATE
from sandbox.stack.progress import Progress
from sandbox.stack.signals import ending_in_order
from sandbox.stack.stack import Stack, stop_background

FOLDER = StateFolder(STATE)


async def up() -> int:
    """Start the stack and leave it running."""
    began = time.monotonic()
    progress = Progress()
    with ending_in_order():
        info = await Stack(from_environment(), progress=progress).start()
    progress.say(f"\nThe stack is up after {time.monotonic() - began:.0f} s.")
    for line in addresses(info):
        progress.say(line)
    progress.say(f"  everything for test drivers  {FOLDER.stack_file}\n  make status, make down")
    return 0


async def down() -> int:
    """Stop what `up` started, replacements included."""
    progress = Progress()
    if FOLDER.registry() is None:
        await stop_background(STATE)
        progress.say("Nothing to stop: no stack is up.")
        return 0
    with progress.step("Stopping"):
        report = await stop_background(STATE)
    if report is not None:
        progress.say(f"Stopped: {', '.join(report.stopped) or 'nothing'}.")
        if report.killed:
            progress.say(f"Killed, because they did not stop when asked: {', '.join(report.killed)}.")
        if report.gone:
            progress.say(f"Not running any more: {', '.join(report.gone)}.")
    return 0


async def status() -> int:
    """Say what runs; exit code 1 unless everything does."""
    progress = Progress()
    registry = FOLDER.registry()
    if registry is None:
        progress.say("No stack is up.")
        return 1
    info = FOLDER.stack()
    living = set(any_running(registry.processes.items(), since=registry.started_at))
    since = datetime.fromtimestamp(registry.started_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    progress.say(f"Started {since}{'' if info else ', but the start was not finished'}:")
    for name, process in registry.processes.items():
        progress.say(f"  {name:<20} {'runs' if name in living else 'is not running':<15} {process.log}")
    for line in addresses(info) if info else ():
        progress.say(line)
    return 0 if info and len(living) == len(registry.processes) else 1


def addresses(info: StackInfo) -> list[str]:
    """What a person opens in a browser."""
    lines = [
        f"  sandbox page                 {info.sandbox.url}/",
        f"  ticketing API and its docs   {info.ticketing_api.url}/docs",
        f"  metrics, for example         {info.metrics['ticketing-api']}",
    ]
    return [*lines, f"  traces                       {info.zipkin_url}/"] if info.zipkin_url else lines


COMMANDS: dict[str, Callable[[], Awaitable[int]]] = {"up": up, "down": down, "status": status}


def main(arguments: list[str]) -> int:
    """The exit code: 0 done, 1 not possible, 2 no such command, 130 interrupted (and everything stopped again)."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m sandbox.stack {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2

    async def run() -> int:
        return await COMMANDS[arguments[0]]()

    try:
        return asyncio.run(run())
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nInterrupted; what was started has been stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
