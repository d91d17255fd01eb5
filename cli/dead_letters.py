"""`okno dead-letters`: what could not be processed, through the ticketing API, and leave to put more aside."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from chassis.database import Connection
from cli.api import call, pages
from cli.database import run
from cli.environment import database_url, kafka_environment
from cli.failure import fail
from cli.kafka import asking_kafka
from cli.output import say, show_json, show_table
from cli.processes import SERVICES

if TYPE_CHECKING:
    from chassis.dead_letters import DeadLetter
    from chassis.settings import KafkaSettings

app = typer.Typer(help="List, show, replay and discard what could not be processed.", no_args_is_help=True)
T = TypeVar("T")
RELOAD_PORTION = 100
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


Topic = Annotated[str | None, typer.Option(help="the original record's topic")]
Consumer = Annotated[str | None, typer.Option(help="who put it aside")]
Cause = Annotated[str | None, typer.Option(help="why, as the list shows it")]
Key = Annotated[str | None, typer.Option(help="the original record's key")]
Since = Annotated[str | None, typer.Option(help="put aside then or later, such as 2026-11-23T10:00:00Z")]
Until = Annotated[str | None, typer.Option(help="put aside earlier")]
All = Annotated[bool, typer.Option("--all", help="all that match the filters, instead of one")]
Force = Annotated[bool, typer.Option("--force", help="also out of turn, or older than 30 days")]


def _given(**filters: str | None) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}


@app.command("list")
def list_dead_letters(
    state: Annotated[str | None, typer.Option(help="waiting, replayed or discarded")] = None,
    topic: Topic = None,
    consumer: Consumer = None,
    cause: Cause = None,
    key: Key = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="how many at the most")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters, the latest first."""
    items = pages(
        "/dead-letters", limit, state=state,
        topic=topic, consumer=consumer, cause=cause, key=key, since=since, until=until,
    )  # fmt: skip
    if as_json:
        show_json(items)
        return
    columns = ("id", "state", "topic", "key", "consumer", "cause", "attempts", "at")
    show_table(columns, [[item.get(name) for name in columns] for item in items], empty="No dead letters.")


@app.command("show")
def show(dead_letter: str) -> None:
    """Show one dead letter with its cause, headers, content and corrections."""
    show_json(call("GET", f"/dead-letters/{dead_letter}"))


@app.command("edit")
def edit(
    dead_letter: str,
    file: Annotated[Path, typer.Argument(help="the whole corrected value, as JSON")],
    kind: Annotated[str | None, typer.Option("--type", help="the record's type, if its headers lack it")] = None,
) -> None:
    """Correct a record before it is replayed; the original is kept. Checked against the topic's contract."""
    import json

    try:
        value = json.loads(file.read_text())
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}.")
    except ValueError as error:
        fail(f"{file} is not JSON: {error}")
    call("PUT", f"/dead-letters/{dead_letter}/value", json={"value": value, **_given(type=kind)})
    say(f"{dead_letter} is corrected: `okno dead-letters replay {dead_letter}` publishes it.")


@app.command("replay")
def replay(
    dead_letter: Annotated[str | None, typer.Argument()] = None,
    everything: All = False,
    topic: Topic = None,
    consumer: Consumer = None,
    cause: Cause = None,
    key: Key = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="with --all, how many at the most")] = 100,
    original: Annotated[bool, typer.Option("--original", help="as it was, though it was corrected")] = False,
    force: Force = False,
) -> None:
    """Publish a record again, as last corrected, once its cause is mended; with --all, in order per key."""
    if _one(dead_letter, everything=everything):
        call("POST", f"/dead-letters/{dead_letter}/replay", json={"original": original, "force": force})
        say(f"{dead_letter} is published again.")
        return
    filters = _given(topic=topic, consumer=consumer, cause=cause, key=key, since=since, until=until)
    done = call("POST", "/dead-letters/replay", json={**filters, "limit": limit, "force": force})
    say(f"{done['settled']} are published again, {done['left']} that match still wait.")


@app.command("discard")
def discard(
    dead_letter: Annotated[str | None, typer.Argument()] = None,
    reason: Annotated[str, typer.Option(help="why it needs no replay", prompt=True)] = "",
    everything: All = False,
    topic: Topic = None,
    consumer: Consumer = None,
    cause: Cause = None,
    key: Key = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="with --all, how many at the most")] = 100,
) -> None:
    """Put a dead letter aside for good, with a reason that stays in its record."""
    if _one(dead_letter, everything=everything):
        call("POST", f"/dead-letters/{dead_letter}/discard", json={"reason": reason})
        say(f"{dead_letter} is discarded.")
        return
    filters = _given(topic=topic, consumer=consumer, cause=cause, key=key, since=since, until=until)
    done = call("POST", "/dead-letters/discard", json={**filters, "limit": limit, "reason": reason})
    say(f"{done['settled']} are discarded, {done['left']} that match still wait.")


def _one(dead_letter: str | None, *, everything: bool) -> bool:
    """Whether one is meant; nothing is done to all without --all."""
    if (dead_letter is None) is not everything:
        fail("Give a dead letter's id, or --all with filters.", "`okno dead-letters list` shows what there is.")
    return not everything


@app.command("reload")
def reload(
    most: Annotated[int, typer.Option("--max", min=1, help="most letters in the table, as DEAD_LETTERS_MAX")] = 50_000,
    megabytes: Annotated[
        int,
        typer.Option("--max-megabytes", min=1, help="most of their contents, as DEAD_LETTERS_MAX_MEGABYTES"),
    ] = 1024,
) -> None:
    """Store dead letters from their topics that the table had no room for when they came."""

    async def read_again() -> tuple[int, int]:
        from collections.abc import Sequence
        from datetime import UTC, datetime

        from chassis.database import Database
        from chassis.settings import KafkaSettings, read
        from services.ticketing.store.dead_letters import Room, store_dead_letters

        with asking_kafka():
            settings = read(KafkaSettings, kafka_environment())
        database = await Database.connect(database_url(), schema="ticketing", process="okno")
        room = Room(most, megabytes * 1024 * 1024)
        seen = refused = 0

        async def store(letters: Sequence["DeadLetter"]) -> int:
            async with database.transaction() as connection:
                return len(await store_dead_letters(connection, letters, datetime.now(UTC), room))

        try:
            portion: list[DeadLetter] = []
            async for letter in _on_topics(settings):
                portion.append(letter)
                seen += 1
                if len(portion) == RELOAD_PORTION:
                    refused += await store(portion)
                    portion = []
            refused += await store(portion)
        finally:
            await database.close()
        return seen, refused

    seen, refused = run(read_again())
    say(f"{seen} dead letters are on their topics; there was no room for {refused}.")


async def _on_topics(settings: "KafkaSettings") -> AsyncIterator["DeadLetter"]:
    """All dead letters that Kafka has now. An error of whoever takes them isn't raised in here."""
    from chassis.dead_letters import read
    from contracts.topics import TOPICS, dead_topic

    with asking_kafka():
        for topic in map(dead_topic, TOPICS):
            async for letter in read(settings, topic):
                yield letter


def _in_schema(service: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Work in a transaction of a service's own schema."""
    if service not in SERVICES:
        fail(f"There is no schema {service!r}.", f"Schemas: {', '.join(SERVICES)}.")

    async def connected() -> T:
        from chassis.database import Database

        database = await Database.connect(database_url(), schema=service, process="okno")
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    return run(connected())


@app.command("release")
def release(
    service: str, consumer: str, key: Annotated[str | None, typer.Argument(help="all keys, if none is given")] = None
) -> None:
    """Let a parked key go on though letters of it wait: its next records are handled. Out of order, so be sure."""
    from chassis.parking import forget

    number = _in_schema(service, lambda connection: forget(connection, consumer, None if key is None else key.encode()))
    say(f"{number} dead letters hold nothing up any more.")


@app.command("allow")
def allow(service: str, consumer: str) -> None:
    """Let a consumer go on that stopped because it would dead-letter too much. Start it again afterwards."""
    from chassis.dead_letter_share import reset

    _in_schema(service, lambda connection: reset(connection, consumer))
    say(f"{consumer} may dead-letter again; its count starts anew.")
