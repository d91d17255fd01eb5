"""The API writes only to a database that was compared with the log; one that wasn't is compared here."""

import asyncio

from chassis import published
from chassis.database import Database
from chassis.error_text import describe
from chassis.errors import Fate, fate_of
from chassis.logs import get_logger
from chassis.settings import KafkaSettings
from services.ticketing.store import compared

EVENTS = "ticket.events.v1"
SECONDS = 1.0

missing_events = published.by_version("tickets", "id", "ticket_id")
log = get_logger("ticketing")


class Comparing:
    """Of every worker; the first one's mark serves all."""

    def __init__(self, database: Database, settings: KafkaSettings) -> None:
        self._database = database
        self._settings = settings

    async def compare(self) -> None:
        """Raises PublishedAhead or PositionsRefused where the database was set back, and errors of both servers."""
        async with self._database.pool.acquire() as connection:
            found = await compared.this_database(connection)
        await published.check(self._database, self._settings, {EVENTS: missing_events})
        async with self._database.transaction() as connection:
            await compared.mark(connection, found)

    async def run(self) -> None:
        """Until cancelled. Raises as `compare` does, but for what goes by."""
        while True:
            await asyncio.sleep(SECONDS)
            try:
                async with self._database.pool.acquire() as connection:
                    known = await compared.is_compared(connection)
                if not known:
                    await self.compare()
                    log.info("database_compared")
            except Exception as error:
                if fate_of(error) is not Fate.TRANSIENT:
                    raise
                log.warning("database_not_compared", error=describe(error))
