"""What a receiver owes (`CatchUp.owed`) stands in ingest's database, so that it outlives a kill.

A row goes once Kafka has its request or the outage was too short to lose anything, or in the transaction by which the
worker makes it a job. So a kill at any moment leaves the row, the request or the job. It is written beside the events:
without PostgreSQL they are taken all the same, and only this process knows what is owed.
"""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import asyncpg
import orjson

from chassis.database import Connection, Database
from chassis.error_text import describe
from chassis.logs import get_logger
from services.ingest.catch_up import CatchUp
from services.ingest.worker import wishes
from services.ingest.worker.jobs import Job

SEEN_SECONDS = 10.0
SILENT_SECONDS = 60.0
"""A receiver that moves its rows no more for so long has died. One that only lost PostgreSQL asks too: read twice."""
PAUSE_SECONDS = 1.0
"""Between two writings, however often the ways in open and shut."""

NOTE = """
INSERT INTO outages (outage_id, request) SELECT * FROM unnest($1::text[], $2::jsonb[]) ORDER BY 1
ON CONFLICT (outage_id) DO UPDATE SET request = excluded.request, seen_at = now()
"""
END = "DELETE FROM outages WHERE outage_id = ANY($1::text[])"
LEFT = """
DELETE FROM outages WHERE outage_id IN (
    SELECT outage_id FROM outages WHERE seen_at < now() - make_interval(secs => $1) FOR UPDATE SKIP LOCKED
) RETURNING outage_id, request
"""
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
log = get_logger(__name__)


class Outages:
    """The rows of one run of a receiver: its name may be another's too, and is its successor's."""

    def __init__(self, database: Database, catch_up: CatchUp, *, process: str) -> None:
        self._database = database
        self._catch_up = catch_up
        self._run = f"{process}:{uuid4().hex}"
        self._written: set[str] = set()
        """What may stand there."""

    async def run(self) -> None:
        """For ever."""
        while True:
            self._catch_up.changed.clear()
            if await self._write():
                await asyncio.sleep(PAUSE_SECONDS)
            await self._wait()

    async def _write(self) -> bool:
        """Make the rows what is owed; whether there were any to write."""
        owed = self._catch_up.owed()
        if not owed and not self._written:
            return False
        rows = {f"{self._run}:{what}": request.model_dump_json(exclude_none=True) for what, request in owed.items()}
        self._written |= set(rows)
        try:
            async with self._database.transaction() as connection:
                await connection.execute(END, sorted(self._written - set(rows)))
                await connection.execute(NOTE, list(rows), list(rows.values()))
        except _AWAY as error:
            if rows:
                log.warning("an outage is not noted, a kill would lose it", error=describe(error))
        else:
            self._written = set(rows)
        return True

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(SEEN_SECONDS if self._written else None):
                await self._catch_up.changed.wait()
        except TimeoutError:
            return


async def left(connection: Connection, *, silent: float = SILENT_SECONDS) -> Sequence[Job]:
    """What receivers that died have left, as jobs; it is theirs no longer."""
    rows = await connection.fetch(LEFT, silent)
    if rows:
        log.warning("outages of receivers that ended are read", outages=len(rows))
    return [Job(f"{wishes.GAP}:{row['outage_id']}", wishes.GAP, orjson.loads(row["request"])) for row in rows]
