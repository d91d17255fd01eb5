"""A closed gate lets nobody in, and closes only once everybody has left."""

from __future__ import annotations

import asyncio

from chaos.gate import Gate


async def test_closing_waits_for_those_inside_and_those_who_come_wait_for_its_opening() -> None:
    gate, leave, told = Gate(), asyncio.Event(), list[str]()

    async def visitor(name: str) -> None:
        async with gate.inside():
            told.append(f"{name} in")
            await leave.wait()
            told.append(f"{name} out")

    async def closing() -> None:
        async with gate.closed():
            told.append("closed")
        told.append("open")

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(visitor("early"))
        await asyncio.sleep(0)
        closer = group.create_task(closing())
        await asyncio.sleep(0)
        group.create_task(visitor("late"))
        await asyncio.sleep(0)
        assert not closer.done()
        leave.set()
    assert told == ["early in", "early out", "closed", "open", "late in", "late out"]
