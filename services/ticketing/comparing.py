"""The API and the workers write only to a database that was compared with the log; one that wasn't is compared here.

The API looks in each transaction, a worker at each new connection: whatever sets a database back ends all of them. So
nothing is written between that and the comparison which could hide what the log has more.
"""

import asyncio

from chassis import published
from chassis.database import Connection, Database
from chassis.error_text import describe
from chassis.errors import Fate, Transient, fate_of
from chassis.faults import fault_point
from chassis.logs import get_logger
from chassis.settings import KafkaSettings
from services.ticketing.store import compared

EVENTS, STAFF, POLICY = "ticket.events.v1", "desk.staff.v1", "desk.policy.v1"
SECONDS = 1.0

QUESTIONS = {
    EVENTS: published.by_version("tickets", "id", "ticket_id"),
    STAFF: published.by_version("agent_identities", "person_key", "identity"),
    POLICY: published.by_version("(SELECT 'policy' AS key, version FROM policies)", "key", "record_key"),
}
"""Every topic whose records come from this schema and carry a version."""
log = get_logger("ticketing")


async def admit(connection: Connection) -> None:
    """Raises Transient where the database behind a worker's new connection wasn't compared: it soon will be."""
    if not await compared.is_compared(connection):
        raise Transient("this database wasn't compared with the log yet: it may be an earlier copy")


class Comparing:
    """Of every worker; the first one's mark serves all. `database` takes any connection: it is what is looked at."""

    def __init__(self, database: Database, settings: KafkaSettings) -> None:
        self._database = database
        self._settings = settings

    async def compare(self) -> None:
        """Raises PublishedAhead or PositionsRefused where the database was set back, and errors of both servers."""
        async with self._database.pool.acquire() as connection:
            found = await compared.this_database(connection)
        await published.check(self._database, self._settings, QUESTIONS)
        async with self._database.transaction() as connection:
            await compared.mark(connection, found)

    async def run(self) -> None:
        """Until cancelled. Raises as `compare` does, but for what goes by."""
        while True:
            await asyncio.sleep(SECONDS)
            await fault_point("ticketing.compares")
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
