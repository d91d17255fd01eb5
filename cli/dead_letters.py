"""`okno dead-letters`: what could not be processed, through the ticketing API."""

from typing import Annotated

import typer

from cli.api import call, pages
from cli.output import show_json, show_table

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
