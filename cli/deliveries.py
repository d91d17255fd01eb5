"""`okno deliveries`: hold back what goes out, per channel or altogether, and let it go again."""

import getpass
import os
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from chassis.database import Connection
from cli.database import run
from cli.environment import database_url
from cli.failure import fail
from cli.output import say, show_table
from contracts.keys import ChannelKey, InvalidKey, Platform, platform_of

T = TypeVar("T")
app = typer.Typer(help="Pause and resume deliveries.", no_args_is_help=True)
Channel = Annotated[str | None, typer.Option(help="a channel key such as slack:C034; without it, everything")]
_IDS = {
    Platform.SLACK: (re.compile("[A-Z0-9]+"), "the channel's id, not its name"),
    Platform.TELEGRAM: (re.compile("[0-9]+:-?[0-9]+"), "the bot's id and the chat's id, both numbers"),
}
"""What follows the platform in a channel key."""


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

    scope, by = pauses.EVERYTHING if channel is None else channel_key(channel), _user()
    _in_notifier(lambda c: pauses.pause(c, scope, reason=reason, by=by))
    say(f"{channel or 'All deliveries'}: paused.")


def channel_key(text: str) -> ChannelKey:
    """Ends the command for what no channel's deliveries are under: a pause of it would hold nothing back."""
    examples = "A channel key looks like slack:C034 or telegram:7700:-100123."
    try:
        platform = platform_of(text)
    except InvalidKey as error:
        fail(f"{error}.", examples)
    ids, wanted = _IDS[platform]
    if not ids.fullmatch(text.partition(":")[2]):
        fail(f"{text!r} is no channel key: it must have {wanted}.", examples)
    return ChannelKey(text)


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

    scope = pauses.EVERYTHING if channel is None else channel
    if not _in_notifier(lambda c: pauses.resume(c, scope)):
        what = "Everything" if channel is None else repr(channel)
        fail(f"{what} is not paused.", "`okno deliveries pauses` shows what is.")
    say(f"{channel or 'All deliveries'}: resumed.")


@app.command("pauses")
def list_pauses() -> None:
    """List what is paused and how much waits."""
    from services.notifier import pauses

    rows = [(p.scope, p.waiting, p.paused_at, p.paused_by, p.reason) for p in _in_notifier(pauses.paused)]
    show_table(("channel", "waiting", "since", "by", "reason"), rows, empty="Nothing is paused.")
