"""`okno dead-letters`: what could not be processed, through the ticketing API, and leave to put more aside."""

from typing import Annotated

import typer

from cli.api import call, pages
from cli.database import run
from cli.environment import database_url
from cli.failure import fail
from cli.output import show_json, show_table
from cli.processes import SERVICES

app = typer.Typer(help="List, show, replay and discard what could not be processed.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("list")
def list_dead_letters(
    state: Annotated[str | None, typer.Option(help="waiting, replayed or discarded")] = None,
    limit: Annotated[int, typer.Option(min=1, help="how many at the most")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters, the latest first."""
    items = pages("/dead-letters", limit, state=state)
    if as_json:
        show_json(items)
        return
    columns = ("id", "state", "topic", "consumer", "cause", "attempts", "at")
    show_table(columns, [[item.get(name) for name in columns] for item in items], empty="No dead letters.")


@app.command("show")
def show(dead_letter: str) -> None:
    """Show one dead letter with its cause, headers and content."""
    show_json(call("GET", f"/dead-letters/{dead_letter}"))


@app.command("replay")
def replay(dead_letter: str) -> None:
    """Publish the original record again on its topic, once its cause is mended."""
    call("POST", f"/dead-letters/{dead_letter}/replay")
    typer.echo(f"{dead_letter} is published again.")


@app.command("discard")
def discard(dead_letter: str, reason: Annotated[str, typer.Option(help="why it needs no replay", prompt=True)]) -> None:
    """Put a dead letter aside for good, with a reason that stays in its record."""
    call("POST", f"/dead-letters/{dead_letter}/discard", json={"reason": reason})
    typer.echo(f"{dead_letter} is discarded.")


@app.command("allow")
def allow(service: str, consumer: str) -> None:
    """Let a consumer go on that stopped because it would dead-letter too much. Start it again afterwards."""
    if service not in SERVICES:
        fail(f"There is no schema {service!r}.", f"Schemas: {', '.join(SERVICES)}.")

    async def forget_share() -> None:
        from chassis.database import Database
        from chassis.dead_letter_share import reset

        database = await Database.connect(database_url(), schema=service, process="okno")
        try:
            async with database.transaction() as connection:
                await reset(connection, consumer)
        finally:
            await database.close()

    run(forget_share())
    typer.echo(f"{consumer} may dead-letter again; its count starts anew.")
