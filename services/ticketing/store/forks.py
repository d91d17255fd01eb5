"""Versions of tickets that this database and the log have with different causes: somebody wrote after it was set back.

The log wins, as others have acted on it: from the first such version on, this database's changes of the ticket are
taken back, so that the log's can be folded, and are told. Messages that they added stay; their replies are still sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from chassis.database import Connection
from chassis.records import Raw
from services.ticketing.store.numbers import Logged

_OURS = """
SELECT ticket_id, version, cause_id FROM history JOIN unnest($1::text[], $2::bigint[]) AS a(ticket_id, version)
USING (ticket_id, version)"""
# Of these tickets all that waits to be published is in the log already, or of the branch that ends.
_TAKE_BACK = """
WITH fork AS (
    SELECT * FROM unnest($1::text[], $2::bigint[]) AS f(ticket_id, version)
), gone AS (
    DELETE FROM history h USING fork f WHERE h.ticket_id = f.ticket_id AND h.version >= f.version RETURNING h.*
), unpublished AS (
    DELETE FROM outbox WHERE topic = $3 AND key = ANY(SELECT convert_to(ticket_id, 'UTF8') FROM fork)
), ticket AS (
    UPDATE tickets t SET version = f.version - 1 FROM fork f WHERE t.id = f.ticket_id RETURNING t.id, t.number
)
SELECT g.ticket_id, t.number, g.version, g.kind, coalesce(g.actor_name, g.actor_kind) AS actor, g.at
FROM gone g JOIN ticket t ON t.id = g.ticket_id ORDER BY t.number, g.version"""


@dataclass(frozen=True, slots=True)
class Fork:
    """The first version of a ticket that differs, and what the log has there, in words."""

    version: int
    logged: str


async def forks_in(
    connection: Connection, known: Sequence[tuple[Raw, str, int]], logged: dict[str, Logged]
) -> dict[str, Fork]:
    """By ticket. `known`: records with ticket and version that are stored too, in the order of the versions. `logged`
    learns what they say first.
    """
    rows = await connection.fetch(_OURS, [ticket for _, ticket, _ in known], [version for _, _, version in known])
    causes = {(row["ticket_id"], row["version"]): row["cause_id"] for row in rows}
    found: dict[str, Fork] = {}
    for record, ticket, version in known:
        ours = causes.get((ticket, version))
        if ours is None or ticket in found:
            continue
        told = _told(record)
        if told is None:
            continue
        logged.setdefault(
            ticket, Logged(told["ticket"]["number"], datetime.fromisoformat(told["ticket"]["created_at"]))
        )
        if told["cause"]["id"] != ours:
            actor = told["cause"]["actor"]
            found[ticket] = Fork(version, f"{told['kind']} by {actor.get('name') or actor['kind']}")
    return found


async def take_back(connection: Connection, forks: Mapping[str, Fork], topic: str) -> list[str]:
    """What was dropped, a sentence each. `topic` is that of the tickets' events."""
    versions = [one.version for one in forks.values()]
    said = []
    for row in await connection.fetch(_TAKE_BACK, list(forks), versions, topic):
        fork = forks[row["ticket_id"]]
        kept = f"; the log's is kept: {fork.logged}" if row["version"] == fork.version else ""
        what = f"{row['kind']} by {row['actor']} at {row['at']:%Y-%m-%d %H:%M:%S} is dropped{kept}"
        said.append(f"ticket {row['number']} version {row['version']}: {what}")
    return said


def _told(record: Raw) -> dict[str, Any] | None:
    """An event's content, only as far as it is looked at here: decoding all of a log takes ten times as long."""
    try:
        told = orjson.loads(record.value or b"")
        told["cause"]["id"], told["kind"], told["cause"]["actor"]["kind"], told["ticket"]["number"]
        datetime.fromisoformat(told["ticket"]["created_at"])
    except (ValueError, LookupError, TypeError):
        return None
    found: dict[str, Any] = told
    return found
