"""One ticket a number again, after the log was folded over a database that went on where it had been set back.

Both have then given out the same numbers. People were told the log's: a ticket has the number that the log first says
of it. Where it says one of several tickets, the oldest keeps it; whoever else has it gets a fresh one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from chassis.database import Connection

_FREE = "ALTER TABLE tickets DROP CONSTRAINT tickets_number_key"
_KEEP = "ALTER TABLE tickets ADD CONSTRAINT tickets_number_key UNIQUE (number)"
_SHARED = """
SELECT id, number, created_at FROM tickets
WHERE number IN (SELECT number FROM tickets GROUP BY number HAVING count(*) > 1) ORDER BY number"""
_STORED = "SELECT id, number FROM tickets WHERE id = ANY($1::text[])"
_NEXT = """
SELECT setval('ticket_numbers', greatest((SELECT max(number) FROM tickets), (SELECT last_value FROM ticket_numbers)))
WHERE EXISTS (SELECT FROM tickets)"""
_MOVE = "UPDATE tickets SET number = $2 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log says first of a ticket."""

    number: int
    created_at: datetime


async def free_numbers(connection: Connection) -> None:
    """Several tickets may have one number until `keep_numbers`."""
    await connection.execute(_FREE)


async def keep_numbers(connection: Connection, logged: Mapping[str, Logged]) -> dict[str, tuple[int, int]]:
    """Returns the tickets that have another number than before, with both. Fresh numbers are behind all others."""
    moved: dict[str, tuple[int, int]] = {}
    fresh: list[str] = []
    told_of = Counter(one.number for one in logged.values())
    for row in await connection.fetch(_STORED, list(logged)):
        number, own = int(row["number"]), logged[row["id"]].number
        if own != number and told_of[own] == 1:
            moved[row["id"]] = (number, own)
            await connection.execute(_MOVE, row["id"], own)
    while shared := await connection.fetch(_SHARED):
        for number, rows in groupby(shared, key=lambda row: int(row["number"])):
            told = {row["id"]: logged.get(row["id"], Logged(0, row["created_at"])) for row in rows}
            _, *others = sorted(told, key=lambda one: (told[one].number != number, told[one].created_at, one))
            for ticket in others:
                own = told[ticket].number
                if own in (0, number):
                    fresh.append(ticket)
                    own = -len(fresh)
                moved[ticket] = (moved.get(ticket, (number,))[0], own)
                await connection.execute(_MOVE, ticket, own)
    await connection.execute(_NEXT)
    for ticket in fresh:
        number = await connection.fetchval("SELECT nextval('ticket_numbers')")
        moved[ticket] = (moved[ticket][0], number)
        await connection.execute(_MOVE, ticket, number)
    await connection.execute(_KEEP)
    return moved
