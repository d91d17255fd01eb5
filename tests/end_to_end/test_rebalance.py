"""Routers come and go under traffic: partitions change hands, and every message is decided once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.end_to_end.support.talk import Talk
from tests.end_to_end.support.town import Town


async def _traffic(talks: list[Talk], enough: asyncio.Event) -> None:
    while not enough.is_set():
        for talk in talks:
            await talk.says()
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), 0.2)


async def test_a_second_router_joins_and_the_first_one_leaves_under_traffic(town: Town) -> None:
    stack = town.stack
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(6)]
    for talk in talks:
        await talk.says()
    await stack.stop_process("router-1")
    enough = asyncio.Event()
    traffic = asyncio.create_task(_traffic(talks, enough))
    try:
        await asyncio.gather(*(talk.in_ticket() for talk in talks))  # the one router has taken on all partitions
        await stack.start_process("router-1")
        lines = [len(talk.lines) for talk in talks]
        await asyncio.gather(*(talk.in_ticket() for talk in talks))
        await stack.stop_process("router-0")
        await asyncio.gather(*(talk.in_ticket() for talk in talks))
        assert all(len(talk.lines) > before for talk, before in zip(talks, lines, strict=True))
    finally:
        enough.set()
        await traffic
        await stack.revive()
    await town.check()
