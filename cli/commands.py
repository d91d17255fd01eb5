"""The list of commands. Each group lives in a module of its own and imports what it needs when it is used."""

import typer

from cli import (
    backfill,
    database,
    dead_letters,
    deliveries,
    doctor,
    erase,
    policy,
    restore,
    tickets,
    tokens,
    topics,
    trace,
)
from cli.processes import KINDS

app = typer.Typer(
    name="okno",
    help="One window onto every chat: tickets from Slack and Telegram, answers back to the thread or dialog.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("run", help=f"Run one process in the foreground: {', '.join(KINDS)}.")
def run_process_command(process: str, name: str = typer.Option(None, help="stable name, unique in its group")) -> None:
    """Only for the list: `cli.__main__` hands `run` to `cli.run` before this module is loaded."""
    from cli.run import main

    raise typer.Exit(main([process, *(["--name", name] if name else [])]))


app.command("migrate")(database.migrate)
app.command("restore")(restore.restore)
app.command("doctor")(doctor.doctor)
app.command("erase")(erase.erase)
app.command("trace")(trace.trace)
app.add_typer(tickets.app, name="tickets")
app.add_typer(policy.app, name="policy")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(backfill.app, name="backfill")
app.add_typer(tokens.app, name="tokens")
app.add_typer(topics.app, name="topics")
app.add_typer(database.positions, name="positions")
