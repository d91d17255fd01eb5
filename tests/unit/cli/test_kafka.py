"""Commands that ask Kafka and PostgreSQL say which of the two refused, and never answer with a stack of calls."""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest
from aiokafka.errors import KafkaConnectionError
from typer.testing import CliRunner

from chassis.database import Database
from chassis.topics_admin import TopicsRefused
from cli import doctor
from cli.commands import app

run = CliRunner()
ACCEPT = ["positions", "accept", "router", "router", "chat.events.v1", "0", "7"]
RELOAD = ["dead-letters", "reload"]
RESTORE = ["restore"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")


class Opened:
    """Stands for a database that can be connected to and then fails."""

    def transaction(self) -> NoReturn:
        raise ConnectionResetError("PostgreSQL went away")

    async def close(self) -> None:
        pass


async def opened(*_: object, **__: object) -> Opened:
    return Opened()


def fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Kafka, however it is asked."""

    async def asked(*_: object, **__: object) -> object:
        raise error

    async def read(*_: object) -> AsyncIterator[object]:
        yield await asked()

    for name in ("chassis.kafka.cluster_id", "chassis.kafka.group_offset", "chassis.topics_admin.check"):
        monkeypatch.setattr(name, asked)
    monkeypatch.setattr("chassis.dead_letters.read", read)
    monkeypatch.setattr("cli.restore._restore", asked)


@pytest.mark.parametrize("command", [ACCEPT, RELOAD])
@pytest.mark.parametrize("error", [KafkaConnectionError("away"), ConnectionRefusedError("away"), TimeoutError("away")])
def test_kafka_that_is_away_is_named(command: list[str], error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "connect", opened)
    fails(monkeypatch, error)
    said = run.invoke(app, command)
    assert isinstance(said.exception, SystemExit), said.exception
    assert said.exit_code == 1
    assert said.output.splitlines() == [
        f"Kafka refuses or can't be reached: {error!r}",
        "Is KAFKA_BOOTSTRAP_SERVERS right, and Kafka up? `okno doctor` looks.",
    ]


@pytest.mark.parametrize("command", [ACCEPT, RELOAD, RESTORE])
def test_settings_of_kafka_that_are_refused_are_named(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "NONE")
    said = run.invoke(app, command)
    assert isinstance(said.exception, SystemExit), said.exception
    assert (said.exit_code, "KAFKA_SECURITY_PROTOCOL" in said.output) == (1, True)


def test_postgresql_is_blamed_for_its_own_errors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def offset(*_: object) -> int:
        return 7

    async def letters(*_: object) -> AsyncIterator[object]:
        yield object()

    monkeypatch.setattr(Database, "connect", opened)
    monkeypatch.setattr("chassis.kafka.cluster_id", offset)
    monkeypatch.setattr("chassis.kafka.group_offset", offset)
    monkeypatch.setattr("chassis.dead_letters.read", letters)
    for command in (ACCEPT, RELOAD):
        said = run.invoke(app, command)
        assert "PostgreSQL refuses or can't be reached: PostgreSQL went away" in said.output


def test_a_restore_doesn_t_guess_whose_connection_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, ConnectionResetError("reset"))
    said = run.invoke(app, RESTORE)
    assert "PostgreSQL or Kafka can't be reached: ConnectionResetError('reset')" in said.output


def test_topics_that_kafka_doesn_t_show_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, TopicsRefused("the settings of chat.events.v1 can't be read: TopicAuthorizationFailedError"))
    kafka, topics = asyncio.run(doctor._kafka())
    assert (kafka.ok, topics.ok, "can't be read" in topics.text) == (True, False, True)
