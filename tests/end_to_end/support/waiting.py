"""Waiting for what happens in other processes: asked again and again until a deadline, never slept for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
SECONDS = 60.0


async def until(ask: Callable[[], Awaitable[T | None]], *, what: str, seconds: float = SECONDS) -> T:
    """The first answer that is true. AssertionError naming `what` was waited for when the seconds pass."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what} (the last answer was {answer!r})")
        await asyncio.sleep(0.02)
    return answer


async def until_none(problem: Callable[[], Awaitable[str | None]], *, what: str, seconds: float = SECONDS) -> None:
    """Wait until there is no problem any more. AssertionError with the last one when the seconds pass."""
    deadline = time.monotonic() + seconds
    while (last := await problem()) is not None:
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}: {last}")
        await asyncio.sleep(0.02)
