"""Forgets a person: what was read of them and isn't published, and their profile, for which a tombstone goes out.

ingest is the only one that writes chat.profiles, in its outbox's order: the tombstone is the profile's last record
until something newer than the erasure is heard of the person.
"""

from chassis import outbox
from chassis.database import Database
from chassis.erasure import rewrite, rewrite_outbox, rows_of
from chassis.outbox import OutboxRow
from contracts.erasure import Erased
from services.ingest.worker import wishes

_JOB = "DELETE FROM jobs WHERE job_id = $1"
_FORGET = """
INSERT INTO profiles (key, digest, erased_at) VALUES ($1, '', clock_timestamp())
ON CONFLICT (key) DO UPDATE SET digest = '', fetched_at = now(), erased_at = clock_timestamp()"""


async def erase(database: Database, erased: Erased) -> dict[str, int]:
    """Rows changed, by table. Each step is a transaction and may be done again."""
    done = {
        "reading_finds": await rewrite(database, "reading_finds", "channel_key || ' ' || event_id", "event", erased),
        "outbox": await rewrite_outbox(database, erased),
    }
    async with database.transaction() as connection:
        done["jobs"] = rows_of(await connection.execute(_JOB, f"{wishes.PERSON}:{erased.person}"))
        await connection.execute(_FORGET, erased.person)
        await outbox.add(connection, [OutboxRow("chat.profiles.v1", erased.person.encode(), None)])
        done["profiles"] = 1
    return done
