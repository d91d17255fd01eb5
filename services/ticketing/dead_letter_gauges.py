"""Shows how many dead letters wait, for whom and why, and since when. Every worker shows all: take the largest."""

import asyncio

from chassis import metrics
from chassis.database import Database
from chassis.error_text import describe
from chassis.errors import Fate, fate_of
from chassis.logs import get_logger
from services.ticketing.store.dead_letters import waiting

SECONDS = 15

log = get_logger("ticketing")


class DeadLetterGauges:
    """Labels that had something to show go back to zero when nothing waits any more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shown: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sample()
            except Exception as error:
                if fate_of(error) is not Fate.TRANSIENT:
                    raise
                log.warning("dead_letters_not_counted", error=describe(error))
            await asyncio.sleep(SECONDS)

    async def sample(self) -> None:
        """Read the table once."""
        async with self._database.pool.acquire() as connection:
            found = {(consumer, cause): (number, age) for consumer, cause, number, age in await waiting(connection)}
        for labels in self._shown | found.keys():
            number, age = found.get(labels, (0, 0.0))
            metrics.dead_letters_waiting.labels(*labels).set(number)
            metrics.dead_letters_oldest_age.labels(*labels).set(max(0.0, age))
        self._shown |= found.keys()
