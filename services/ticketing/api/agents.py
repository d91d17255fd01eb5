"""The desk's people. Every change is published on `desk.staff.v1`: routers know whose messages are the desk's."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from chassis import outbox
from chassis.database import Connection
from chassis.tracecontext import current_traceparent
from contracts.desk_staff_v1 import StaffIdentity, StaffRole
from contracts.keys import PersonKey
from services.ticketing.api.context import Admin, Reader, ServicesOf
from services.ticketing.api.cursors import decode, encode
from services.ticketing.api.models import AgentBody, AgentJson, AgentPatch, Page, PageQuery
from services.ticketing.api.once import Answer, Idempotent, change, once
from services.ticketing.api.problems import Problem, invalid, not_found
from services.ticketing.store.agents import (
    Agent,
    IdentityTaken,
    agents_by_id,
    list_agents,
    lock_agent,
    save_agent,
)
from services.ticketing.store.saving import SOURCE

router = APIRouter(prefix="/v1/agents", tags=["agents"])


@router.get("", summary="List agents")
async def get_agents(query: Annotated[PageQuery, Query()], services: ServicesOf, caller: Reader) -> Page[AgentJson]:
    """All of the desk, deactivated ones too."""
    del caller
    after = decode(query.cursor, "agents", (str,))
    async with services.database.connection() as connection:
        found = await list_agents(connection, after[0] if after else "", query.limit + 1)
    agents = found[: query.limit]
    cursor = encode("agents", [agents[-1].id]) if len(found) > query.limit else None
    return Page(items=[_json(agent) for agent in agents], next_cursor=cursor)


@router.get("/{agent}", summary="One agent")
async def get_agent(agent: str, services: ServicesOf, caller: Reader) -> AgentJson:
    """By id."""
    del caller
    async with services.database.connection() as connection:
        found = (await agents_by_id(connection, [agent])).get(agent)
    if found is None:
        raise not_found("agent", agent)
    return _json(found)


@router.post("", response_model=AgentJson, status_code=201, dependencies=[Idempotent], summary="Add an agent")
async def post_agent(body: AgentBody, request: Request, services: ServicesOf, caller: Admin) -> Response:
    """With their chat identities: what they write there counts as the desk's."""

    async def work(connection: Connection) -> Answer:
        agent_id = f"agt_{secrets.token_hex(8)}"
        at = services.clock.now()
        await _save(connection, agent_id, body.name, body.role, body.identities, at, active=True)
        return Answer(201, _json((await agents_by_id(connection, [agent_id]))[agent_id]))

    return await once(request, caller, work)


@router.patch("/{agent}", response_model=AgentJson, summary="Change an agent")
async def patch_agent(agent: str, body: AgentPatch, request: Request, services: ServicesOf, caller: Admin) -> Response:
    """Only the given fields change; `identities` replaces all of them."""
    del caller
    nulls = sorted(name for name in body.model_fields_set if getattr(body, name) is None)
    if nulls:
        raise invalid(f"body.{nulls[0]}", "must not be null; leave it out to keep it")

    async def work(connection: Connection) -> Answer:
        known = await lock_agent(connection, agent)
        if known is None:
            raise not_found("agent", agent)
        await _save(
            connection,
            agent,
            body.name or known.name,
            body.role or known.role,
            known.identities if body.identities is None else body.identities,
            services.clock.now(),
            active=known.active if body.active is None else body.active,
        )
        return Answer(200, _json((await agents_by_id(connection, [agent]))[agent]))

    return await change(request, work)


async def _save(
    connection: Connection,
    agent_id: str,
    name: str,
    role: StaffRole,
    identities: Sequence[str],
    at: datetime,
    *,
    active: bool,
) -> None:
    keys = [PersonKey(key) for key in dict.fromkeys(identities)]
    try:
        said: list[StaffIdentity] = await save_agent(connection, agent_id, name, role, keys, at, active=active)
    except IdentityTaken as error:
        detail = f"{error}. Take it from that agent first: PATCH /v1/agents/<id> with the identities they keep."
        raise Problem(409, "identity-taken", detail, identities=[key for key, _ in error.taken]) from error
    traceparent = current_traceparent.get()
    await outbox.add(connection, [outbox.row(one, source=SOURCE, time=at, traceparent=traceparent) for one in said])


def _json(agent: Agent) -> AgentJson:
    return AgentJson(
        id=agent.id,
        name=agent.name,
        role=agent.role,
        active=agent.active,
        identities=list(agent.identities),
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )
