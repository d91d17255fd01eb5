"""`okno tokens`: bearer tokens of the ticketing API, straight in its database (the first token can't come from the API)."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from cli.database import run
from cli.environment import database_url
from cli.output import show_table

T = TypeVar("T")
app = typer.Typer(help="Create, list and revoke the ticketing API's tokens.", no_args_is_help=True)
