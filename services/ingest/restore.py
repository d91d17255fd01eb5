"""After ingest's database was set back its worker reads again from there: what it publishes twice has the same ids.

Nothing is folded. What the worker knew of people and gaps it learns again from the events, and from the platforms.
"""

from chassis import restoring
from chassis.restoring import LogReader, Recovery, Tell
from services.ingest.reading import CONSUMER, SCHEMA, TOPICS

NOT_CARRIED = ("in no topic: reading of histories that was under way (`okno backfill slack --since TIME` reads again)",)


async def restore(dsn: str, log: LogReader, tell: Tell) -> Recovery:
    """Raises RestoreRefused, and errors of Kafka and PostgreSQL; then nothing was changed."""
    del tell  # it takes no time
    async with restoring.transaction(dsn, SCHEMA) as connection:
        found = await restoring.places(connection, SCHEMA, CONSUMER, await log.logs(TOPICS, group=CONSUMER))
        await restoring.settle(connection, CONSUMER, found)
    again = sum(place.log.end - place.begin for place in found.values())
    return Recovery([f"{again} records are read again"], [*restoring.expired(CONSUMER, found), *NOT_CARRIED])
