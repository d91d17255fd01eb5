"""`okno deliveries`: hold back what goes out, per channel or altogether, and let it go again."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from cli.database import run
from cli.environment import database_url
from cli.output import show_table

T = TypeVar("T")
app = typer.Typer(help="Pause and resume deliveries.", no_args_is_help=True)
