"""Which commands on the log were decided from events that this database hasn't read (chassis/published.py)."""

from collections.abc import Sequence

from chassis.database import Connection
from contracts.ticket_commands_v1 import TicketCommand
from services.router.worker import CONSUMER, EVENTS

_POSITIONS = "SELECT partition, next_offset FROM positions WHERE consumer = $1 AND topic = $2"


async def missing_commands(connection: Connection, commands: Sequence[TicketCommand]) -> list[str]:
    """Commands that were decided beyond the stored positions: the decision and the position were one transaction."""
    rows = await connection.fetch(_POSITIONS, CONSUMER, EVENTS)
    read = {row["partition"]: row["next_offset"] for row in rows}
    return [one.record_id for one in commands if one.decided.offset >= read.get(one.decided.partition, 0)]
