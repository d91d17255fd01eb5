"""`okno migrate` and `okno positions`: the schemas, and how far each consumer has read."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

import typer

from cli.environment import database_url, kafka_environment
from cli.failure import fail
from cli.kafka import asking_kafka
from cli.output import say, show_table
from cli.processes import SERVICES, migration_folders

T = TypeVar("T")
positions = typer.Typer(help="See, or by decision set, how far a consumer has read.", no_args_is_help=True)


def run(work: Awaitable[T]) -> T:
    """Run database work; an unreachable or refusing PostgreSQL ends the command with one sentence.

    What asks Kafka on the way does so inside `asking_kafka`.
    """
    import asyncpg

    async def waited() -> T:
        return await work

    try:
        return asyncio.run(waited())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        fail(f"PostgreSQL refuses or can't be reached: {error}", "Check DATABASE_URL; `okno doctor` looks.")


def migrate(
    service: Annotated[list[str] | None, typer.Option(help=f"only this schema: {', '.join(SERVICES)}")] = None,
) -> None:
    """Bring the schemas to the version of this code. Safe to run twice and at once."""
    from chassis.migrations import MigrationRefused
    from chassis.migrations import migrate as apply

    dsn = database_url()
    for name in service or SERVICES:
        if name not in SERVICES:
            fail(f"There is no schema {name!r}.", f"Schemas: {', '.join(SERVICES)}.")
        try:
            applied = run(apply(dsn, schema=name, folders=migration_folders(name)))
        except MigrationRefused as error:
            fail(str(error))
        say(f"{name}: {', '.join(applied) if applied else 'up to date'}")


@positions.command("list")
def list_positions() -> None:
    """Show all positions in the database."""

    async def read() -> list[tuple[Any, ...]]:
        import asyncpg

        connection = await asyncpg.connect(database_url())
        try:
            found = []
            for schema in SERVICES:
                if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.positions"):
                    found += await connection.fetch(
                        f"SELECT '{schema}', consumer, topic, partition, next_offset FROM {schema}.positions"  # noqa: S608
                        " ORDER BY consumer, topic, partition"
                    )
            return [tuple(row) for row in found]
        finally:
            await connection.close()

    show_table(("schema", "consumer", "topic", "partition", "next offset"), run(read()), empty="No positions yet.")


@positions.command("accept")
def accept(
    service: str,
    consumer: str,
    topic: str,
    partition: int,
    next_offset: Annotated[int, typer.Argument(help="where the consumer is to go on")],
) -> None:
    """Set a position by decision, after a consumer refused to start. Stop the consumer first."""
    if service not in SERVICES:
        fail(f"There is no schema {service!r}.", f"Schemas: {', '.join(SERVICES)}.")

    async def set_position() -> None:
        from aiokafka import TopicPartition

        from chassis.database import Database
        from chassis.kafka import cluster_id, group_offset
        from chassis.positions import accept as set_by_decision
        from chassis.settings import KafkaSettings, read

        place = TopicPartition(topic, partition)
        with asking_kafka():
            settings = read(KafkaSettings, kafka_environment())
            cluster, committed = await cluster_id(settings), await group_offset(settings, consumer, place)
        database = await Database.connect(database_url(), schema=service, process="okno")
        try:
            async with database.transaction() as connection:
                await set_by_decision(
                    connection,
                    consumer,
                    place,
                    next_offset=next_offset,
                    cluster_id=cluster,
                    group_offset=committed,
                )
        finally:
            await database.close()

    run(set_position())
    say(f"{consumer} goes on with {topic} partition {partition} at offset {next_offset}.")
