"""Forgets a person's words. The router keeps nobody's, but in changes that wait for their message and in its outbox."""

from chassis.database import Database
from chassis.erasure import rewrite, rewrite_outbox
from contracts.erasure import Erased


async def erase(database: Database, erased: Erased) -> dict[str, int]:
    """Rows changed, by table. Each step is a transaction and may be done again."""
    return {
        "early_changes": await rewrite(database, "early_changes", "event_id", "event", erased),
        "outbox": await rewrite_outbox(database, erased),
    }
