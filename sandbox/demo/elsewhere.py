"""`python -m sandbox.demo.elsewhere URL`: the stories, played against a stack that runs already, by its sandbox's
address alone. Exit code 0 when every step was seen, 1 naming the step that was not.
"""

import argparse
import asyncio
import sys

import httpx

from sandbox.demo.stories import tell_all
from sandbox.scenarios.clients import Clients, Doors
from sandbox.scenarios.play import SECONDS, NotSeen
from sandbox.stack.progress import Progress


async def demo(url: str, seconds: float, progress: Progress) -> int:
    async with httpx.AsyncClient(timeout=30) as http:
        try:
            steps = await tell_all(Clients(http, Doors.of_sandbox(url)), progress, seconds=seconds)
        except NotSeen as error:
            progress.say(f"\nThe demo failed at the step «{error.step.name}»:\n  {error.why}")
            return 1
    progress.say(f"\nEvery step was seen ({steps} steps).")
    return 0


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo.elsewhere", description=__doc__)
    parser.add_argument("url", help="the sandbox, for example http://127.0.0.1:8700")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="longest wait for a step to be seen")
    options = parser.parse_args(given)
    return asyncio.run(demo(options.url.rstrip("/"), options.seconds, Progress()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
