from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from chassis.database import Database
from chassis.migrations import MigrationRefused, SchemaOutdated
from cli import doctor
from cli.commands import app
from cli.processes import SERVICES


@pytest.mark.parametrize(("check", "platform"), [(doctor._slack, "SLACK"), (doctor._telegram, "TELEGRAM")])
def test_a_platform_out_of_reach_is_not_blamed_on_the_token(
    check: Callable[[], Coroutine[Any, Any, list[doctor.Finding]]], platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{platform}_BOT_TOKEN", "7700:hidden")
    monkeypatch.setenv(f"{platform}_API_URL", "http://127.0.0.1:1/")
    (finding,) = asyncio.run(check())
    assert not finding.ok
    assert finding.text == "nothing readable from 127.0.0.1 (ConnectError)"
    assert f"{platform}_API_URL" in finding.hint


class Server:
    """Stands for a PostgreSQL with some of the schemas. `faults`: what the check of a schema finds."""

    def __init__(self, present: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.present = present
        self.faults: dict[str, Exception] = {}
        monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
        monkeypatch.setattr(Database, "connect", self._connect)
        monkeypatch.setattr("chassis.migrations.check_schema", self._check)

    async def _connect(self, _: str, *, schema: str, **__: object) -> Database:
        return Connected(self, schema)

    async def _check(self, database: Database, _: object) -> None:
        if database.schema not in self.present:
            raise SchemaOutdated(f"schema {database.schema!r} lacks migrations")
        if fault := self.faults.get(database.schema):
            raise fault

    async def fetch(self, _: str, asked: list[str]) -> list[dict[str, str]]:
        return [{"nspname": name} for name in asked if name in self.present]


class Connected(Database):
    def __init__(self, server: Server, schema: str) -> None:
        self.pool = server  # type: ignore[assignment]
        self.schema = schema

    async def close(self) -> None:
        """There is nothing."""


def test_schemas_of_services_with_a_database_of_their_own_are_not_called_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    Server({"ticketing"}, monkeypatch)
    found = {finding.name.removeprefix("schema "): finding for finding in asyncio.run(doctor._database())}
    assert {name: finding.ok for name, finding in found.items()} == {
        "ingest": None, "router": None, "ticketing": True, "notifier": None,
    }  # fmt: skip
    assert "not in this database" in found["router"].text
    assert "Has router a database or a login of its own" in found["router"].hint
    assert "DATABASE_URL=... okno doctor" in found["router"].hint


def test_a_database_without_any_schema_is_to_be_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    Server(set(), monkeypatch)
    found = asyncio.run(doctor._database())
    assert [(finding.ok, finding.hint) for finding in found] == [(False, "Run `okno migrate`.")] * len(SERVICES)


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        (SchemaOutdated("schema 'router' lacks migrations"), "Run `okno migrate`."),
        (MigrationRefused("router/0001_begin was changed"), "Is this the version of Okno that runs there?"),
        (asyncpg.InsufficientPrivilegeError("permission denied"), "Is DATABASE_URL that of router?"),
    ],
)
def test_each_schema_has_a_finding_of_its_own(fault: Exception, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Server(set(SERVICES), monkeypatch).faults["router"] = fault
    found = asyncio.run(doctor._database())
    assert [finding.ok for finding in found] == [service != "router" for service in SERVICES]
    (wrong,) = (finding for finding in found if not finding.ok)
    assert (wrong.name, str(fault) in wrong.text, wrong.hint) == ("schema router", True, hint)


def test_what_was_not_checked_is_shown_with_its_hint_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing() -> list[doctor.Finding]:
        return []

    Server({"ticketing"}, monkeypatch)
    for check in ("_kafka", "_slack", "_telegram"):
        monkeypatch.setattr(doctor, check, nothing)
    said = CliRunner().invoke(app, ["doctor"])
    assert said.exit_code == 0
    assert "   --  schema router: not checked: not in this database" in said.output
    assert "Has router a database" in said.output
    assert "WRONG" not in said.output
