"""`okno deliveries`: hold back what goes out, per channel or altogether, and let it go again."""

import getpass
import os
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from chassis.database import Connection
from cli.database import run
from cli.environment import database_url
from cli.failure import fail
from cli.output import say, show_table

T = TypeVar("T")
app = typer.Typer(help="Pause and resume deliveries.", no_args_is_help=True)
Channel = Annotated[str | None, typer.Option(help="a channel key such as slack:C034; without it, everything")]


def _in_notifier(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        from chassis.database import Database

        database = await Database.connect(database_url(), schema="notifier", process="okno")
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    return run(connected())


@app.command("pause")
def pause(
    reason: Annotated[str, typer.Option(help="why, for whoever looks next", prompt=True)], channel: Channel = None
) -> None:
    """Hold back a channel's deliveries, or all. Nothing is lost: they wait."""
    from services.notifier import pauses

    scope, by = channel or pauses.EVERYTHING, _user()
    _in_notifier(lambda c: pauses.pause(c, scope, reason=reason, by=by))
    say(f"{channel or 'All deliveries'}: paused.")


def _user() -> str:
    """Whoever gives the command. In a container the user may have a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # Python before 3.13, and since
        return f"uid {os.getuid()}"


@app.command("resume")
def resume(channel: Channel = None) -> None:
    """Let them go on, in their order."""
    from services.notifier import pauses

    if not _in_notifier(lambda c: pauses.resume(c, channel or pauses.EVERYTHING)):
        fail(f"{channel or 'Everything'} is not paused.", "`okno deliveries pauses` shows what is.")
    say(f"{channel or 'All deliveries'}: resumed.")


@app.command("pauses")
def list_pauses() -> None:
    """List what is paused and how much waits."""
    from services.notifier import pauses

    rows = [(p.scope, p.waiting, p.paused_at, p.paused_by, p.reason) for p in _in_notifier(pauses.paused)]
    show_table(("channel", "waiting", "since", "by", "reason"), rows, empty="Nothing is paused.")
