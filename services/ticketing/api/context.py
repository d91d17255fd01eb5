"""What each request works with, and who makes it: the token decides what may be done, and as whom."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from chassis.clock import Clock
from chassis.database import Connection, Database
from contracts.ticket_events_v1 import Actor, ActorKind, Cause
from services.ticketing import tokens
from services.ticketing.api.problems import Problem, invalid
from services.ticketing.domain.desk_changes import Writer
from services.ticketing.store.agents import agents_by_id
from services.ticketing.tokens import Scope, Token


@dataclass(frozen=True, slots=True)
class Services:
    """Handed to the app by the bootstrap."""

    database: Database
    clock: Clock


def services_of(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


ServicesOf = Annotated[Services, Depends(services_of)]
_bearer = HTTPBearer(auto_error=False, description="A token from `okno tokens create`.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes the request."""

    token: Token

    @property
    def name(self) -> str:
        return self.token.agent_name or self.token.name

    def cause(self, request: Request, writer: Writer | None = None) -> Cause:
        """Why a change happened, for its history: this request, by the agent or the token."""
        writer = writer or Writer(self.token.agent_id, self.name)
        actor = Actor(kind=ActorKind.AGENT, id=writer.agent_id or self.token.id, name=writer.name)
        return Cause(kind="request", id=request.state.request_id, actor=actor)

    async def writer(self, connection: Connection, agent_id: str | None) -> Writer:
        """Who writes: the token's own agent, or the one that an admin token names."""
        if agent_id is None or agent_id == self.token.agent_id:
            return Writer(self.token.agent_id, self.name)
        if self.token.scope is not Scope.ADMIN:
            raise Problem(403, "forbidden", "Only an admin token may write as another agent; leave agent_id out.")
        agent = (await agents_by_id(connection, [agent_id])).get(agent_id)
        if agent is None or not agent.active:
            raise invalid("body.agent_id", f"there is no active agent {agent_id!r}")
        return Writer(agent.id, agent.name)


async def _caller(
    services: ServicesOf, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller:
    challenge = {"WWW-Authenticate": "Bearer"}
    if credentials is None:
        detail = "Send `Authorization: Bearer <token>`; `okno tokens create` makes one."
        raise Problem(401, "unauthorized", detail, headers=challenge)
    async with services.database.connection() as connection:
        token = await tokens.find(connection, credentials.credentials)
    if token is None:
        raise Problem(401, "unauthorized", "The token is wrong, or was revoked.", headers=challenge)
    return Caller(token)


class _Needs:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __call__(self, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if not caller.token.scope.includes(self._scope):
            detail = f"This needs a token with scope {self._scope}; {caller.token.name!r} has {caller.token.scope}."
            raise Problem(403, "forbidden", detail)
        return caller


Reader = Annotated[Caller, Depends(_Needs(Scope.READ))]
AgentCaller = Annotated[Caller, Depends(_Needs(Scope.AGENT))]
Admin = Annotated[Caller, Depends(_Needs(Scope.ADMIN))]
