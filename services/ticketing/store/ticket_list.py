"""Tickets as the API shows them. Lists go by keyset: a page begins where the last one ended.

By number, which never changes, no ticket is missed or shown twice. By time of change a ticket that changes moves to the
end, so a reader that follows changes sees it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg

from chassis.database import Connection
from services.ticketing.domain.ticket import Ticket
from services.ticketing.store.tickets import SELECT as SELECT_TICKETS
from services.ticketing.store.tickets import ticket_of

NOBODY = "none"
"""As an assignee: tickets that nobody has."""


class Sort(StrEnum):
    NEWEST = "-number"
    OLDEST = "number"
    CHANGED_FIRST = "updated_at"
    CHANGED_LAST = "-updated_at"


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """All given conditions hold. `requester` is a contact's id, `channel` a channel key."""

    statuses: tuple[str, ...] = ()
    queue: str | None = None
    assignee: str | None = None
    platform: str | None = None
    channel: str | None = None
    requester: str | None = None
    updated_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShownTicket:
    """A ticket with the names that are looked up."""

    ticket: Ticket
    platform: str | None
    channel_key: str | None
    channel_name: str | None
    requester_name: str | None
    assignee_name: str | None


_NAMES = """
    t.platform, t.channel_key,
    (SELECT name FROM channels ch WHERE ch.channel_key = t.channel_key) AS channel_name,
    (SELECT name FROM identities i WHERE i.person_key = t.requester_key) AS person_name,
    (SELECT name FROM agents a WHERE a.id = t.assignee_id) AS assignee_name"""
_SHOWN = SELECT_TICKETS.replace("FROM tickets t", f", {_NAMES}\nFROM tickets t")
_ONE = f"{_SHOWN} WHERE t.id = $1"
_BY_NUMBER = f"{_SHOWN} WHERE t.number = $1"
_LIST = SELECT_TICKETS.replace(
    "FROM tickets t",
    f", {_NAMES}\nFROM (SELECT * FROM tickets WHERE {{where}} ORDER BY {{order}} LIMIT {{limit}}) t",  # noqa: S608
)
_ORDER = {
    Sort.NEWEST: ("number DESC", "number < {0}::bigint"),
    Sort.OLDEST: ("number", "number > {0}::bigint"),
    Sort.CHANGED_FIRST: ("updated_at, id", "(updated_at, id) > ({0}::timestamptz, {1}::text)"),
    Sort.CHANGED_LAST: ("updated_at DESC, id DESC", "(updated_at, id) < ({0}::timestamptz, {1}::text)"),
}


class _Conditions:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.values: list[Any] = []

    def add(self, text: str, *values: Any) -> None:
        """`text` has {0}, {1} for its values."""
        places = [f"${len(self.values) + 1 + i}" for i in range(len(values))]
        self.texts.append(text.format(*places))
        self.values += values

    @property
    def where(self) -> str:
        return " AND ".join(self.texts) or "true"


def _conditions(wanted: TicketFilter) -> _Conditions:
    found = _Conditions()
    if len(wanted.statuses) == 1:
        found.add("status = {0}::text", wanted.statuses[0])
    elif wanted.statuses:
        found.add("status = ANY({0}::text[])", list(wanted.statuses))
    if wanted.queue is not None:
        found.add("queue = {0}::text", wanted.queue)
    if wanted.assignee == NOBODY:
        found.add("assignee_id IS NULL")
    elif wanted.assignee is not None:
        found.add("assignee_id = {0}::text", wanted.assignee)
    if wanted.platform is not None:
        found.add("platform = {0}::text", wanted.platform)
    if wanted.channel is not None:
        found.add(
            "channel_key = coalesce("
            "(SELECT a.channel_key FROM channel_aliases a WHERE old_channel_key = {0}), {0}::text)",
            wanted.channel,
        )
    if wanted.requester is not None:
        found.add("requester_id = {0}::text", wanted.requester)
    if wanted.updated_after is not None:
        found.add("updated_at > {0}::timestamptz", wanted.updated_after)
    return found


async def list_tickets(
    connection: Connection, wanted: TicketFilter, sort: Sort, after: Sequence[Any] | None, limit: int
) -> list[ShownTicket]:
    """`after` holds the last row's values of the sort: its number, or its time of change and id."""
    conditions = _conditions(wanted)
    order, beyond = _ORDER[sort]
    if after is not None:
        conditions.add(beyond, *after)
    query = _LIST.format(where=conditions.where, order=order, limit=int(limit)) + f" ORDER BY {order}"
    return [_shown(row) for row in await connection.fetch(query, *conditions.values)]


async def count_tickets(connection: Connection, wanted: TicketFilter) -> tuple[dict[str, int], dict[str, int]]:
    """How many by status and by assignee; tickets without one under `none`."""
    conditions = _conditions(wanted)
    rows = await connection.fetch(
        "SELECT status, assignee_id, count(*) AS number FROM tickets "  # noqa: S608
        f"WHERE {conditions.where} GROUP BY GROUPING SETS ((status), (assignee_id))",
        *conditions.values,
    )
    by_status = {row["status"]: row["number"] for row in rows if row["status"] is not None}
    by_assignee = {row["assignee_id"] or NOBODY: row["number"] for row in rows if row["status"] is None}
    return by_status, by_assignee


async def find_ticket(connection: Connection, reference: str) -> ShownTicket | None:
    """By its id, or by the number that people use."""
    if reference.isascii() and reference.isdigit() and len(reference) <= 18:
        row = await connection.fetchrow(_BY_NUMBER, int(reference))
    else:
        row = await connection.fetchrow(_ONE, reference)
    return None if row is None else _shown(row)


def _shown(row: asyncpg.Record) -> ShownTicket:
    ticket = ticket_of(row)
    conversations = ticket.state.conversations
    place_name = conversations[0].place.channel.name if conversations else None
    return ShownTicket(
        ticket,
        platform=row["platform"],
        channel_key=row["channel_key"],
        channel_name=row["channel_name"] or place_name,
        requester_name=row["person_name"] or row["requester_name"],
        assignee_name=row["assignee_name"],
    )
