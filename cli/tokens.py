"""`okno tokens`: bearer tokens of the ticketing API, straight in its database; the first can't come from the API."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from chassis.database import Connection
from cli.database import run
from cli.environment import database_url
from cli.failure import fail
from cli.output import say, show_table
from contracts.labels import label

T = TypeVar("T")
app = typer.Typer(help="Create, list and revoke the ticketing API's tokens.", no_args_is_help=True)


def _in_ticketing(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        from chassis.database import Database

        database = await Database.connect(database_url(), schema="ticketing", process="okno")
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    return run(connected())


@app.command("create")
def create(
    name: str,
    role: Annotated[str, typer.Option(help="read, agent or admin")] = "agent",
    agent: Annotated[str | None, typer.Option(help="the agent's id, whose actions they will be")] = None,
) -> None:
    """Create a token and print it. It is shown this once: only its digest is kept."""
    from services.ticketing import tokens

    try:
        label(name)
    except ValueError as error:
        fail(f"The name {error}.", "Give it a name of one line.")
    if role not in list(tokens.Scope):
        fail(f"There is no role {role!r}.", f"Roles: {', '.join(tokens.Scope)}.")
    try:
        created = _in_ticketing(lambda c: tokens.create(c, name, scope=tokens.Scope(role), agent_id=agent))
    except tokens.UnknownAgent as error:
        fail(f"{error}.", "GET /v1/agents lists them.")
    say(created.token)


@app.command("list")
def list_tokens() -> None:
    """List tokens; the tokens themselves are not kept."""
    from services.ticketing import tokens

    rows = [
        (one.id, one.name, one.scope, one.agent_id, one.created_at, one.revoked_at)
        for one in _in_ticketing(tokens.list_tokens)
    ]
    show_table(("id", "name", "role", "agent", "created", "revoked"), rows, empty="No tokens.")


@app.command("revoke")
def revoke(token_id: str) -> None:
    """Make a token useless, by its id from `okno tokens list`."""
    from services.ticketing import tokens

    if not _in_ticketing(lambda c: tokens.revoke(c, token_id)):
        fail(f"There is no token {token_id!r} in force.", "`okno tokens list` shows them.")
    say(f"{token_id} is revoked.")
