"""What a platform has answered is known nowhere else, so it is written in spite of PostgreSQL's absence, for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chassis.backoff import Backoff
from chassis.clock import Clock
from chassis.error_text import describe
from chassis.errors import Fate, fate_of
from chassis.logs import get_logger

WRITE_SECONDS = 30.0
"""For how long it is written again. A lease may end meanwhile: its token tells."""
WRITES = Backoff(first=0.1, factor=2.0, longest=1.0, patience=float("inf"))
T = TypeVar("T")

log = get_logger("notifier")


async def insist(write: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Write until no transient error comes in between, or it has taken too long; other errors are raised at once."""
    failures, until = 0, float("inf")
    while True:
        try:
            return await write()
        except Exception as error:
            now = clock.monotonic()
            failures += 1
            if failures == 1:  # counted from here: a connection to a dead server takes its time to fail
                until = now + WRITE_SECONDS
                log.warning("outcome_not_written", error=describe(error))
            if fate_of(error) is not Fate.TRANSIENT or now > until:
                raise
        await asyncio.sleep(WRITES.pause(failures, 0.0) or WRITES.longest)
