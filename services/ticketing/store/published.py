"""Which ticket events on the log the tables don't show (chassis/published.py)."""

from collections.abc import Sequence

from chassis.database import Connection
from contracts.ticket_events_v1 import TicketChanged

_MISSING = """
SELECT a.record_id
  FROM unnest($1::text[], $2::text[], $3::bigint[]) AS a (record_id, ticket_id, version)
 WHERE NOT EXISTS (SELECT FROM tickets t WHERE t.id = a.ticket_id AND t.version >= a.version)"""


async def missing_events(connection: Connection, events: Sequence[TicketChanged]) -> list[str]:
    """Events of tickets that aren't there, or not at that version yet."""
    rows = await connection.fetch(
        _MISSING,
        [event.record_id for event in events],
        [event.ticket_id for event in events],
        [event.version for event in events],
    )
    return [row["record_id"] for row in rows]
