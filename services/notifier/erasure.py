"""Forgets what was written to a person: the texts of their tickets' deliveries, once nothing may be sent any more."""

from chassis.database import Database
from chassis.erasure import PATIENCE, rewrite, rewrite_outbox, rows_of
from contracts.erasure import ERASED, Erased

# One that failed or is in doubt may be sent again, until a person has decided.
_ENDED = """NOT EXISTS (
    SELECT FROM operations o WHERE o.delivery_id = d.delivery_id
    AND (o.state IN ('queued', 'sending') OR (o.kind = 'post' AND o.state IN ('failed', 'unknown'))))"""
# First the lock, then the look at the operations: an edit that came meanwhile is seen, and its text stays.
_LOCK = "SELECT FROM deliveries WHERE ticket_id = ANY($1::text[]) ORDER BY delivery_id FOR UPDATE"
_TEXTS = f"UPDATE deliveries d SET text = $2 WHERE ticket_id = ANY($1::text[]) AND text <> $2 AND {_ENDED}"  # noqa: S608
_WAITING = f"SELECT count(*) FROM deliveries d WHERE ticket_id = ANY($1::text[]) AND NOT {_ENDED}"  # noqa: S608


async def erase(database: Database, erased: Erased) -> dict[str, int]:
    """Rows changed, by table; `waiting` are deliveries that may still be sent. May be done again."""
    tickets = sorted(erased.tickets)
    async with database.transaction() as connection:
        await connection.execute(PATIENCE)
        await connection.execute(_LOCK, tickets)
        texts = rows_of(await connection.execute(_TEXTS, tickets, ERASED))
        waiting = await connection.fetchval(_WAITING, tickets)
    names = await rewrite(database, "deliveries", "delivery_id", "mentions", erased)
    names += await rewrite(database, "deliveries", "delivery_id", "place", erased)
    return {
        "deliveries": texts + names,
        "outbox": await rewrite_outbox(database, erased),
        "waiting": waiting,
    }
