"""Processes for test_lifecycle.py, started as `python process_stories.py STORY`; settings come from the environment."""

from __future__ import annotations

import asyncio
import sys

from chassis import lifecycle
from chassis.errors import Fatal
from chassis.lifecycle import ProcessContext, run_process
from chassis.settings import ProcessSettings, load

Context = ProcessContext[ProcessSettings]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Worker:
    """A loop that finishes its work when asked to stop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = asyncio.Event()

    async def run(self) -> None:
        await self.asked.wait()
        say(f"{self.name} finished")

    def stop(self) -> None:
        say(f"{self.name} asked to stop")
        self.asked.set()


async def closing(name: str) -> None:
    say(f"{name} closed")


def spawn_workers(process: Context) -> None:
    process.defer(lambda: closing("database"))
    process.defer(lambda: closing("producer"))
    for name in ("relay", "consumer"):
        worker = Worker(name)
        process.spawn(name, worker.run(), stop=worker.stop)


async def orderly(process: Context) -> None:
    spawn_workers(process)
    process.add_liveness("consumer", lambda: 0.0, 1)


async def crashing(process: Context) -> None:
    spawn_workers(process)

    async def crash() -> None:
        raise RuntimeError("the crash")

    process.spawn("crasher", crash())


async def returning(process: Context) -> None:
    spawn_workers(process)

    async def short() -> None:
        return

    process.spawn("once", short(), once=True)
    process.spawn("forever", short())


async def failing_start(process: Context) -> None:
    spawn_workers(process)
    raise Fatal("the database was set back")


async def misconfigured_start(process: Context) -> None:
    raise FileNotFoundError(2, "No such file or directory", "/no/ca.crt")


async def early_start(process: Context) -> None:
    """At the first attempt the broker is away, when a part of the process lives already."""
    lifecycle.START_PAUSE_SECONDS = 0.01
    spawn_workers(process)
    process.spawn("comparing", asyncio.Event().wait())
    if process.probes.waits_for is None:
        process.add_liveness("left", lambda: 1000.0, 1)
        process.add_readiness("left", lambda: False)
        raise ConnectionRefusedError(111, "Connection refused")


async def waiting_start(process: Context) -> None:
    lifecycle.START_PAUSE_SECONDS = 3600
    spawn_workers(process)
    process.add_liveness("left", lambda: 1000.0, 1)
    raise ConnectionRefusedError(111, "Connection refused")


async def vain_start(process: Context) -> None:
    """The story's process waits for nothing."""
    spawn_workers(process)
    raise ConnectionRefusedError(111, "Connection refused")


async def slow_start(process: Context) -> None:
    process.defer(lambda: closing("database"))
    say("connecting")
    await asyncio.Event().wait()


async def never_finishing(process: Context) -> None:
    process.defer(lambda: closing("database"))

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            say("work cancelled")

    process.spawn("slow", work(), stop=lambda: say("slow asked to stop"))


async def deaf(process: Context) -> None:
    async def work() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                say("cancellation ignored")

    process.spawn("deaf", work())


async def stopping_itself(process: Context) -> None:
    async def last_word() -> None:
        say(f"{process.kind} {process.name}")
        process.stop.set()

    process.spawn("last word", last_word())


async def bare(process: Context) -> None:
    process.defer(lambda: closing("connection"))


STORIES = {
    story.__name__: story
    for story in (
        orderly,
        crashing,
        returning,
        failing_start,
        misconfigured_start,
        early_start,
        waiting_start,
        vain_start,
        slow_start,
        never_finishing,
        deaf,
        stopping_itself,
        bare,
    )
}

if __name__ == "__main__":
    if sys.argv[1] == "vain_start":
        lifecycle.START_SECONDS = 0
    raise SystemExit(run_process("router", STORIES[sys.argv[1]], load(ProcessSettings)))
