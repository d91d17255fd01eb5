"""`make replay`: play, wait until everything has arrived, check. Exit code 0 when every line is found exactly once."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from sandbox.replay.corpus import files
from sandbox.replay.expected import count_tickets
from sandbox.replay.play import Played, Player, chat_lines
from sandbox.replay.verify import Tickets, differences
from sandbox.stack.errors import StackError
from sandbox.stack.info import StackInfo
from sandbox.stack.options import from_environment
from sandbox.stack.progress import Progress, Step
from sandbox.stack.stack import Stack

STALLED_SECONDS = 60
SHOWN = 20


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make replay", description=__doc__)
    parser.add_argument("--speed", type=float, help="how many times faster than the people (default: all at once)")
    parser.add_argument("--limit", type=int, help="lines of each file (default: all)")
    parser.add_argument("files", nargs="*", help="parts of file names, such as 2004 (default: all ten files)")
    return parser.parse_args(given)


def chosen(parts: Sequence[str]) -> list[Path]:
    listed = [path for path in files() if not parts or any(part in path.name for part in parts)]
    if not listed:
        raise StackError(f"no file of the corpus is named like {', '.join(parts)}; there are {files()[0].name} ...")
    return listed


async def replay(options: argparse.Namespace, progress: Progress) -> int:
    paths = chosen(options.files)
    async with AsyncExitStack() as resources:
        info = await _stack(resources, progress)
        http = await resources.enter_async_context(httpx.AsyncClient(timeout=60))
        tickets = Tickets(http, info.ticketing_api.url, info.ticketing_api.token)
        started = time.monotonic()
        played = await _play(http, info, paths, options, progress)
        await _settle(http, info, tickets, played, progress)
        seconds = time.monotonic() - started
        with progress.step("Checking each line through the API"):
            found = await differences(tickets, played)
    lines = chat_lines(played)
    expected = sum(count_tickets(post.line for post in one.posts) for one in played)
    progress.say(
        f"{lines} chat lines, {sum(one.joins for one in played)} joins, {sum(one.leaves for one in played)} leaves, "
        f"{sum(one.renames for one in played)} renames, {sum(one.notices for one in played)} other notices "
        f"in {len(played)} channels: {seconds:.0f} s, {lines / seconds:.0f} lines a second."
    )
    if found:
        progress.say("\n".join(["NOT as it should be:", *(f"  {line}" for line in found[:SHOWN])]))
        return 1
    progress.say(f"Each line is found once with its author and text; {expected} tickets, as times and authors say.")
    return 0


async def _stack(resources: AsyncExitStack, progress: Progress) -> StackInfo:
    """The stack that is up, or one for this replay."""
    try:
        return Stack.attached(progress=progress).info
    except StackError:
        return (await resources.enter_async_context(Stack(from_environment(), progress=progress))).info


async def _play(
    http: httpx.AsyncClient, info: StackInfo, paths: Sequence[Path], options: argparse.Namespace, progress: Progress
) -> list[Played]:
    player = Player(http, f"{info.sandbox.control_url}/slack", options.speed)
    told: asyncio.Queue[int] = asyncio.Queue()
    with progress.step(f"Playing {len(paths)} channels") as step:
        work = asyncio.gather(*(player.play(path, options.limit, told) for path in paths))
        counting = asyncio.create_task(_count(told, step))
        try:
            return await work
        finally:
            counting.cancel()


async def _count(told: "asyncio.Queue[int]", step: Step) -> None:
    done = 0
    while True:
        done += await told.get()
        if done % 100 == 0:
            step.update(f"{done} lines")


async def _settle(
    http: httpx.AsyncClient, info: StackInfo, tickets: Tickets, played: Sequence[Played], progress: Progress
) -> None:
    """Wait until Slack has delivered all and the tickets are there; give up when nothing moves for a minute."""
    expected = sum(count_tickets(post.line for post in one.posts) for one in played)
    with progress.step("Waiting until everything has arrived") as step:
        idle = False
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < STALLED_SECONDS:
            if not idle:
                answer = await http.get(f"{info.sandbox.control_url}/slack/idle", params={"timeout": 5})
                idle = bool(answer.json()["idle"])
            counted = sum([await tickets.count(one.channel) for one in played])
            step.update(f"{counted} of {expected} tickets")
            if idle and counted >= expected:
                return
            if counted != seen:
                seen, since = counted, time.monotonic()
            await asyncio.sleep(0.5)


def main(given: list[str]) -> int:
    try:
        return asyncio.run(replay(arguments(given), Progress()))
    except StackError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except httpx.HTTPError as error:
        sys.stderr.write(f"\nThe stack doesn't answer ({type(error).__name__}: {error}). See `make status`.\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
