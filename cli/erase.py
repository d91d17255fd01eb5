"""`okno erase`: takes a person's words, names and files out of all services' tables, and their profile out of Kafka."""

from typing import Annotated

import typer

from cli.database import run
from cli.environment import database_url
from cli.failure import fail
from cli.output import say, show_table
from contracts.keys import InvalidKey, PersonKey, platform_of

REMAINS = """\
Until Kafka forgets them, records that were written before stay in its topics: chat.events, chat.requests,
ticket.commands, chat.replies and chat.receipts for 7 days, ticket.events and all dead letters for 30.
chat.profiles loses the profile when the broker compacts it. Backups and the chats themselves aren't touched."""

COMMAND_SECONDS = 31 * 60.0
"""More than PostgreSQL gives the statements that read whole tables (chassis/erasure.py's PATIENCE)."""


def erase(person: Annotated[str, typer.Argument(help="the person's key: slack:U012 or telegram:501")]) -> None:
    """Erase a person: their messages, names and files. Can't be undone; may be repeated, also after it was killed."""
    try:
        platform_of(person)
    except InvalidKey as error:
        fail(f"{error}.", "A ticket shows its requester's key: `okno tickets show TICKET --json`.")
    if person.count(":") != 1:
        fail(f"{person!r} is no person's key.", "It looks like slack:U012 or telegram:501.")
    done = run(erase_everywhere(database_url(), PersonKey(person)))
    waiting = done.pop(("notifier", "waiting"), 0)
    rows = [(service, table, number) for (service, table), number in done.items()]
    show_table(("schema", "table", "rows changed"), rows, empty="Nothing to erase.")
    say(f"\n{REMAINS}")
    if waiting:
        fail(
            f"{waiting} replies to the person may still be sent, so their texts stay.",
            "Wait for them, or have the failed and unknown ones settled (in the API: POST "
            "/v1/tickets/{ticket}/replies/{reply}/resend, /confirm or /cancel), and repeat the command.",
        )


async def erase_everywhere(dsn: str, person: PersonKey) -> dict[tuple[str, str], int]:
    """Rows changed by schema and table. Ticketing comes last: it knows which messages are the person's."""
    from contextlib import AsyncExitStack

    from chassis.database import Database
    from services.ingest.worker import erasure as ingest
    from services.notifier import erasure as notifier
    from services.router import erasure as router
    from services.ticketing.store import erasure as ticketing

    steps = {"ingest": ingest.erase, "router": router.erase, "notifier": notifier.erase, "ticketing": ticketing.erase}
    async with AsyncExitStack() as stack:
        databases = {}
        for schema in steps:
            databases[schema] = await Database.connect(
                dsn, schema=schema, process="okno", command_seconds=COMMAND_SECONDS
            )
            stack.push_async_callback(databases[schema].close)
        async with databases["ticketing"].transaction() as connection:
            if agent := await ticketing.desk_member(connection, person):
                fail(f"{person} is {agent} of the desk.", "Take the identity from the agent first.")
            erased = await ticketing.whose(connection, person)
        done = {}
        for schema, step in steps.items():
            for table, number in (await step(databases[schema], erased)).items():
                done[schema, table] = number
        return done
