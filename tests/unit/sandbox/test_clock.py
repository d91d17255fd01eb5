"""Simulated time: waits are shortened, nothing else."""

import asyncio

import pytest

from sandbox.clock import ManualClock, ScaledClock


async def test_a_manual_clock_wakes_in_order_of_the_ends() -> None:
    clock = ManualClock(100.0)
    woken: list[float] = []

    async def wait(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(wait(seconds)) for seconds in (5, 1, 3)]
    await asyncio.sleep(0)
    assert clock.waiting == [1, 3, 5]
    clock.advance(3)
    await asyncio.gather(*tasks[1:])
    assert (woken, clock.now(), clock.elapsed()) == ([1, 3], 103.0, 3.0)
    clock.advance(2)
    await tasks[0]


async def test_a_fast_clock_lets_a_day_pass_in_a_moment() -> None:
    clock = ScaledClock(speed=1e8)
    before = clock.elapsed()
    await clock.sleep(86_400)
    assert clock.elapsed() - before >= 86_400


async def test_a_new_speed_shortens_waits_under_way() -> None:
    clock = ScaledClock()
    wait = asyncio.create_task(clock.sleep(86_400))
    await asyncio.sleep(0)
    assert not wait.done()
    clock.speed = 1e8
    await asyncio.wait_for(wait, 5)


def test_changing_the_speed_loses_no_time() -> None:
    clock = ScaledClock(speed=1e9)
    before = clock.elapsed()
    clock.speed = 1
    assert clock.elapsed() >= before


@pytest.mark.parametrize("speed", [0, -1])
def test_time_never_stands_or_runs_back(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        ScaledClock().speed = speed
