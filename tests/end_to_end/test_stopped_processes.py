"""SIGSTOP beyond every time limit, then SIGCONT: others take over, and the sleeper does nothing a second time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.end_to_end.support.replicas import replica
from tests.end_to_end.support.talk import Talk
from tests.end_to_end.support.town import Town
from tests.end_to_end.support.waiting import until

MOST_TALKS = 40


async def until_stopped(town: Town, process: str, point: str, act: Callable[[Town], Awaitable[object]]) -> None:
    """Do something again and again until the process stands still at the point."""
    acts = 0

    async def stopped() -> bool:
        nonlocal acts
        if town.faults.reached(process, point):
            return True
        if acts < MOST_TALKS:
            acts += 1
            await act(town)
        return False

    await until(stopped, what=f"{process} stopped at {point}", seconds=30)
    await town.faults.stopped(process, point)


async def two_lines(town: Town) -> Talk:
    talk = await town.slack()
    await talk.says()
    await talk.says()
    return talk


async def answered_talk(town: Town) -> None:
    talk = await two_lines(town)
    await talk.answered()


async def test_consumers_stopped_inside_their_transactions_beyond_the_database_s_patience(town: Town) -> None:
    """A router, a ticketing worker and a notifier hold locks on their positions and on what they changed; their group
    gives their partitions away after 6 s, PostgreSQL ends their transactions after 30 s, and the others go on.
    """
    async with replica(town.stack, "ticketing-worker"), replica(town.stack, "notifier"):
        talks = [await two_lines(town) for _ in range(4)]
        for talk in talks:
            await talk.ticket()
        await town.quiet.wait()
        sleepers = {
            "notifier-0": "notifier.handled",
            "ticketing-worker-0": "ticketing.handled",
            "router-0": "router.handled",
        }
        for process, point in sleepers.items():
            town.faults.arm(process, point, "stop")
            await until_stopped(town, process, point, answered_talk if process == "notifier-0" else two_lines)
        for talk in talks:
            await talk.says()
            await talk.answered()
        await town.quiet.wait(seconds=120)
        for process in sleepers:
            town.stack.process(process).resume()
        for talk in talks:
            await talk.says()
            await talk.answered()
        await town.check()


@pytest.mark.parametrize("point", ["relay.taken", "relay.relayed"])
async def test_a_relay_stopped_beyond_its_lease(town: Town, point: str) -> None:
    """The other worker publishes in its place; what the sleeper publishes late is known already."""
    talk = await two_lines(town)
    await talk.ticket()
    await town.quiet.wait()
    town.faults.arm("ticketing-worker-0", point, "stop")
    async with replica(town.stack, "ticketing-worker"):
        await talk.answered()
        await town.faults.stopped("ticketing-worker-0", point)
        await talk.answered()
        await talk.says()
        await town.quiet.wait()
        town.stack.process("ticketing-worker-0").resume()
        await talk.answered()
        await talk.says()
        await town.check()


@pytest.mark.parametrize("point", ["notifier.leased", "notifier.posted"])
async def test_a_notifier_stopped_beyond_its_lease(town: Town, point: str) -> None:
    """The other notifier looks whether the reply is in the thread, and posts it if not; the sleeper posts no second."""
    talk = await two_lines(town)
    await talk.ticket()
    await town.quiet.wait()
    async with replica(town.stack, "notifier"):
        town.faults.arm("notifier-0", point, "stop")
        await until_stopped(town, "notifier-0", point, answered_talk)
        for one in list(town.talks):
            await one.answered()
        await town.quiet.wait()
        town.stack.process("notifier-0").resume()
        await talk.answered()
        await town.check()
