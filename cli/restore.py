"""`okno restore`: brings databases that were set back forward from Kafka. Service by service, each all or nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cli.environment import database_url, kafka_environment
from cli.failure import fail
from cli.output import say
from cli.processes import KINDS, migration_folders

if TYPE_CHECKING:
    from chassis.restoring import LogReader, Recovery, Tell
    from chassis.settings import KafkaSettings

SERVICES = ("ticketing", "router", "notifier", "ingest")
"""In this order: what comes first says what those behind it have done."""
GROUPS = ("ingest-worker", "router", "ticketing", "ticketing-dead-letters", "notifier")
TELL_SECONDS = 2.0


def restore(
    service: Annotated[list[str] | None, typer.Option(help=f"only this schema: {', '.join(SERVICES)}")] = None,
) -> None:
    """Bring a database that was set back to a backup forward from Kafka. All of Okno's processes must be stopped.

    Killed in between, or run twice, it does no harm: run it again. docs/backup-and-restore.md says what it can't do.
    """
    chosen = service or list(SERVICES)
    for name in chosen:
        if name not in SERVICES:
            fail(f"There is nothing to restore for {name!r}.", f"Schemas: {', '.join(SERVICES)}.")
    from aiokafka.errors import KafkaError
    from asyncpg import InterfaceError, PostgresError

    from chassis.migrations import SchemaOutdated
    from chassis.restoring import RestoreRefused
    from chassis.settings import KafkaSettings, SettingsRefused, read

    again = "What is done stays, the rest is unchanged. Run it again."
    try:
        asyncio.run(_restore(read(KafkaSettings, kafka_environment()), database_url(), chosen))
    except SettingsRefused as refused:
        fail(str(refused))
    except RestoreRefused as refused:
        fail(str(refused))
    except SchemaOutdated as outdated:
        fail(str(outdated), "The backup is of an older version: run `okno migrate`, then this again.")
    except (PostgresError, InterfaceError) as error:
        fail(f"PostgreSQL refuses or can't be reached: {error}", again)
    except KafkaError as error:
        fail(f"Kafka doesn't answer: {error!r}", again)
    except OSError as error:
        fail(f"PostgreSQL or Kafka can't be reached: {error!r}", again)


async def _restore(settings: "KafkaSettings", dsn: str, services: list[str]) -> None:
    from chassis.restoring import reading

    tell = _Telling()
    await _check(settings, dsn, services, tell)
    for name in services:
        async with reading(settings) as log:
            recovery = await _work(name)(dsn, log, tell)
        tell.done()
        say(name, bold=True)
        for line in recovery.recovered:
            say(f"  recovered: {line}")
        for line in recovery.lost:
            say(f"  not recovered: {line}")
        for line in recovery.to_come:
            say(f"  to come: {line}")


async def _check(settings: "KafkaSettings", dsn: str, services: list[str], tell: "_Telling") -> None:
    """Raises RestoreRefused while a process of Okno runs, and SchemaOutdated."""
    from chassis import restoring
    from chassis.database import Database
    from chassis.migrations import check_schema

    for name in services:
        database = await Database.connect(dsn, schema=name, process=restoring.PROCESS)
        try:
            await check_schema(database, migration_folders(name))

            async def running(database: Database = database) -> list[str]:
                async with database.pool.acquire() as connection:
                    connected = await restoring.sessions(connection, [kind for kind in KINDS if kind != "sandbox"])
                return [*await restoring.members(settings, GROUPS), *connected]

            await restoring.wait_until_stopped(running, tell)
        finally:
            await database.close()


def _work(service: str) -> "Callable[[str, LogReader, Tell], Awaitable[Recovery]]":
    from importlib import import_module

    found: Callable[[str, LogReader, Tell], Awaitable[Recovery]] = import_module(f"services.{service}.restore").restore
    return found


class _Telling:
    """Shows progress now and then: what was told last."""

    def __init__(self) -> None:
        self._shown_at = 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._shown_at >= TELL_SECONDS:
            self._shown_at = now
            say(text, err=True)

    def done(self) -> None:
        self._shown_at = 0.0
