"""How a command fails: one sentence on what is wrong and one on what to do, exit code 1, no stack of calls."""

from typing import NoReturn

import typer


def fail(what: str, hint: str | None = None) -> NoReturn:
    typer.secho(what, fg=typer.colors.RED, err=True)
    if hint:
        typer.echo(hint, err=True)
    raise typer.Exit(1)
