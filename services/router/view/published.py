"""Which commands on the log no decision of ours stands behind (chassis/published.py)."""

from collections.abc import Sequence

from chassis.database import Connection
from contracts.ticket_commands_v1 import TicketCommand

_DECIDED = "SELECT event_id FROM decisions WHERE event_id = ANY($1::text[])"


async def missing_commands(connection: Connection, commands: Sequence[TicketCommand]) -> list[str]:
    """Commands whose event isn't decided. Decisions are kept longer than commands are."""
    rows = await connection.fetch(_DECIDED, [command.event_id for command in commands])
    decided = {row["event_id"] for row in rows}
    return [command.record_id for command in commands if command.event_id not in decided]
