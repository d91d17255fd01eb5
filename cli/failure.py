"""How a command fails: one sentence on what is wrong and one on what to do, exit code 1, no stack of calls."""

from typing import NoReturn

import typer

from cli.output import say


def fail(what: str, hint: str | None = None) -> NoReturn:
    say(what, fg="red", err=True)
    if hint:
        say(hint, err=True)
    raise typer.Exit(1)
