import asyncio
from datetime import UTC, datetime, timedelta

from chassis.clock import ManualClock, SystemClock


async def test_a_manual_clock_wakes_sleepers_in_the_order_of_their_times() -> None:
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper(name, seconds)) for name, seconds in (("c", 3), ("a", 1), ("b", 2))]
    await asyncio.sleep(0)
    await clock.advance(2.5)
    assert [name for name, _ in woken] == ["a", "b"]
    await clock.advance(1)
    await asyncio.gather(*tasks)
    assert woken == [("a", 1), ("b", 2), ("c", 3)]


async def test_a_manual_clock_stands_still_by_itself() -> None:
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    before = clock.now()
    await clock.sleep(0)
    assert clock.now() == before
    await clock.advance(60)
    assert clock.now() - before == timedelta(minutes=1)


async def test_the_system_clock_knows_its_time_zone() -> None:
    assert SystemClock().now().tzinfo is UTC
