"""The API as one ASGI app. It connects to nothing itself: the bootstrap hands in the database and the clock."""

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi_offline import FastAPIOffline

from chassis.clock import Clock
from chassis.database import Database
from services.ticketing.api import agents, dead_letters, messages, policy, problems, tickets
from services.ticketing.api.context import Reader, Services, ServicesOf
from services.ticketing.api.middleware import Surroundings
from services.ticketing.api.models import MeJson
from services.ticketing.api.problems import Problem, refusals
from services.ticketing.store.agents import agents_by_id

_DESCRIPTION = """\
Tickets made of chat conversations: list, open, answer, change them.

- **Authorization**: `Authorization: Bearer <token>`. Scopes: `read`, `agent` (works on tickets), `admin`.
- **Lists** answer `{"items": [...], "next_cursor": ...}`; give `next_cursor` back as `cursor` for the next page.
- **`If-Match`** on a ticket's PATCH carries the ETag that you saw, so that nobody's change is lost.
- **`Idempotency-Key`** on a POST makes it safe to repeat.
- **Refusals** are problem details (RFC 9457): `detail` says what happened and what to do.
"""
_REFUSALS = refusals(
    {
        400: "The request can't be read.",
        401: "The token is missing or wrong.",
        403: "The token's scope doesn't include this.",
        404: "There is no such thing.",
        409: "It is not in a state that allows this; `detail` says what is possible.",
        413: "The body, or what it makes of the ticket, is too large.",
        415: "The body is of a type, or compressed in a way, that isn't taken.",
        422: "A field is wrong; `errors` names each.",
        503: "The database is busy, away, or not known to be the latest; try again, `detail` says how long.",
    }
)
_me = APIRouter(tags=["tokens"])


@_me.get("/v1/me", summary="Who this token is")
async def get_me(services: ServicesOf, caller: Reader) -> MeJson:
    """The token's name and scope, and the agent it acts as."""
    token = caller.token
    agent = None
    if token.agent_id is not None:
        async with services.database.connection() as connection:
            found = (await agents_by_id(connection, [token.agent_id]))[token.agent_id]
        agent = {"id": found.id, "name": found.name, "role": found.role.value, "identities": list(found.identities)}
    return MeJson(token_id=token.id, name=token.name, scope=token.scope, agent=agent)


async def _known_query(request: Request) -> None:
    """Queries that an operation doesn't have are refused; those that have some check theirs by a strict model."""
    route = request.scope["route"]
    if request.query_params and not route.dependant.query_params:
        name = next(iter(request.query_params))
        raise Problem(422, "invalid", f"query.{name}: there is no such parameter here")


def create_app(database: Database, clock: Clock) -> FastAPI:
    app: FastAPI = FastAPIOffline(
        redoc_url=None,
        title="Okno ticketing",
        version="1",
        description=_DESCRIPTION,
        responses=_REFUSALS,
        dependencies=[Depends(_known_query)],
        separate_input_output_schemas=True,
    )
    app.state.services = Services(database, clock)
    problems.install(app)
    for module in (tickets, messages, agents, policy, dead_letters):
        app.include_router(module.router)
    app.include_router(_me)
    app.add_middleware(Surroundings)
    return app
