"""Tickets: list, count, open, change, and their history."""

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from chassis.database import Connection
from chassis.tracecontext import current_traceparent
from contracts import ids
from contracts.ticket_events_v1 import Status
from services.ticketing.api.changing import check_place_is_free, lock_ticket, save_change, shown_ticket
from services.ticketing.api.context import AgentCaller, Reader, ServicesOf
from services.ticketing.api.cursors import decode, encode
from services.ticketing.api.models import (
    CountsJson,
    HistoryJson,
    NoQuery,
    Page,
    PageQuery,
    TicketFilterQuery,
    TicketJson,
    TicketPage,
    TicketPatch,
    TicketQuery,
)
from services.ticketing.api.once import Answer, change
from services.ticketing.api.problems import Problem, invalid, refusals
from services.ticketing.api.views import etag, history_json, ticket_json
from services.ticketing.domain.desk_changes import Fields, update_fields
from services.ticketing.domain.status import IllegalTransition
from services.ticketing.domain.ticket import Ticket
from services.ticketing.store.agents import agents_by_id
from services.ticketing.store.message_list import list_history
from services.ticketing.store.ticket_list import ShownTicket, Sort, TicketFilter, count_tickets, list_tickets

router = APIRouter(prefix="/v1/tickets", tags=["tickets"])
_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"|(\d{1,18})')


@router.get("", response_model=TicketPage, summary="List tickets")
async def get_tickets(query: Annotated[TicketQuery, Query()], services: ServicesOf, caller: Reader) -> TicketPage:
    """Filters, order and paging by cursor. `next_cursor` is null on the last page."""
    del caller
    by_number = query.sort in {Sort.NEWEST, Sort.OLDEST}
    after = decode(query.cursor, query.sort, (int,) if by_number else (datetime, str))
    async with services.database.connection() as connection:
        wanted = await _filter(connection, query)
        found = await list_tickets(connection, wanted, query.sort, after, query.limit + 1)
        counts = await _counts(connection, wanted) if query.counts else None
    shown = found[: query.limit]
    cursor = encode(query.sort, _place(shown[-1], query.sort)) if len(found) > query.limit else None
    return TicketPage(items=[ticket_json(one) for one in shown], next_cursor=cursor, counts=counts)


def _place(shown: ShownTicket, sort: Sort) -> list[Any]:
    state = shown.ticket.state
    return [state.number] if sort in {Sort.NEWEST, Sort.OLDEST} else [state.updated_at.isoformat(), state.id]


@router.get("/counts", summary="Count tickets by status and assignee")
async def get_counts(query: Annotated[TicketFilterQuery, Query()], services: ServicesOf, caller: Reader) -> CountsJson:
    """With the same filters as the list."""
    del caller
    async with services.database.connection() as connection:
        return await _counts(connection, await _filter(connection, query))


async def _counts(connection: Connection, wanted: TicketFilter) -> CountsJson:
    by_status, by_assignee = await count_tickets(connection, wanted)
    return CountsJson(status={status.value: by_status.get(status.value, 0) for status in Status}, assignee=by_assignee)


async def _filter(connection: Connection, query: TicketFilterQuery) -> TicketFilter:
    requester = query.requester
    if requester is not None and ":" in requester:
        known = await connection.fetchval("SELECT contact_id FROM identities WHERE person_key = $1", requester)
        requester = known or ids.contact(requester)
    return TicketFilter(
        statuses=tuple(dict.fromkeys(status.value for status in query.status)),
        queue=query.queue,
        assignee=query.assignee,
        platform=query.platform,
        channel=query.channel,
        requester=requester,
        updated_after=query.updated_after,
    )


@router.get("/{ticket}", response_model=TicketJson, summary="Open a ticket")
async def get_ticket(ticket: str, query: Annotated[NoQuery, Query()], services: ServicesOf, caller: Reader) -> Response:
    """By its id or its number. The ETag is its revision, for `If-Match` of a PATCH."""
    del query, caller
    async with services.database.connection() as connection:
        shown = await shown_ticket(connection, ticket)
    return Response(ticket_json(shown).model_dump_json(), 200, etag(shown.ticket), "application/json")


@router.patch(
    "/{ticket}",
    response_model=TicketJson,
    responses=refusals({412: "An agent changed it since.", 428: "`If-Match` is missing."}),
    summary="Change a ticket",
)
async def patch_ticket(
    ticket: str,
    body: TicketPatch,
    request: Request,
    services: ServicesOf,
    caller: AgentCaller,
    if_match: Annotated[str | None, Header(description='The revision you saw: the ETag, such as "3".')] = None,
) -> Response:
    """Only with `If-Match`: 428 without it, 412 when an agent changed the ticket since. A customer's message is no such
    change. A status that can't follow is a 409 that lists the allowed ones.
    """
    revision = _revision(if_match)

    async def work(connection: Connection) -> Answer:
        locked = await lock_ticket(connection, ticket)
        if revision is not None and revision != locked.state.revision:
            detail = f"The ticket's revision is {locked.state.revision} by now. Open it again and repeat your change."
            raise Problem(412, "precondition-failed", detail, headers=etag(locked), revision=locked.state.revision)
        wanted = await _fields(connection, locked, body)
        at = services.clock.now()
        try:
            changed = update_fields(locked, wanted, at, caller.cause(request), current_traceparent.get())
        except IllegalTransition as error:
            detail = f"{str(error)[0].upper()}{str(error)[1:]}."
            raise Problem(409, "illegal-transition", detail, allowed=[one.value for one in error.allowed]) from error
        if changed is not None:
            if changed.ticket.is_active:
                await check_place_is_free(connection, locked)
            await save_change(connection, locked, changed, at)
        shown = await shown_ticket(connection, locked.id)
        return Answer(200, ticket_json(shown), etag(shown.ticket))

    return await change(request, work)


def _revision(if_match: str | None) -> int | None:
    """None for `*`: whatever it is."""
    if if_match is None:
        detail = "Send If-Match with the ETag that you saw when you opened the ticket, so that nobody's change is lost."
        raise Problem(428, "precondition-required", detail)
    if if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise Problem(400, "bad-if-match", 'If-Match must be a ticket\'s ETag, such as "3".')
    return int(match[1] or match[2])


async def _fields(connection: Connection, ticket: Ticket, body: TicketPatch) -> Fields:
    for name in ("status", "priority", "queue", "tags"):
        if name in body.model_fields_set and getattr(body, name) is None:
            raise invalid(f"body.{name}", "must not be null; leave it out to keep it")
    assignee = body.assignee
    if assignee is not None and assignee != ticket.state.assignee_id:
        agent = (await agents_by_id(connection, [assignee])).get(assignee)
        if agent is None or not agent.active:
            raise invalid("body.assignee", f"there is no active agent {assignee!r}")
    return Fields(
        status=body.status,
        priority=body.priority,
        queue=body.queue,
        assignee_id=assignee,
        unassign="assignee" in body.model_fields_set and assignee is None,
        tags=None if body.tags is None else tuple(dict.fromkeys(body.tags)),
    )


@router.get("/{ticket}/history", summary="Who changed what, when and why")
async def get_history(
    ticket: str, query: Annotated[PageQuery, Query()], services: ServicesOf, caller: Reader
) -> Page[HistoryJson]:
    """Every change in order; versions have no gaps."""
    del caller
    after = decode(query.cursor, "history", (int,))
    async with services.database.connection() as connection:
        shown = await shown_ticket(connection, ticket)
        found = await list_history(connection, shown.ticket.id, after[0] if after else 0, query.limit + 1)
    entries = found[: query.limit]
    cursor = encode("history", [entries[-1].version]) if len(found) > query.limit else None
    return Page(items=[history_json(one) for one in entries], next_cursor=cursor)
