"""`okno erase` says what keeps it from its end, and how that is settled."""

import re
from typing import Any

import pytest
from typer.testing import CliRunner

from chassis.database import Database
from chassis.erasure import PATIENCE
from cli import erase
from cli.commands import app
from contracts.keys import PersonKey
from services.ticketing.api.messages import router

run = CliRunner()


def test_replies_that_keep_their_text_are_settled_by_operations_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async def erased(_: str, __: PersonKey) -> dict[tuple[str, str], int]:
        return {("notifier", "waiting"): 2}

    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    monkeypatch.setattr(erase, "erase_everywhere", erased)
    said = run.invoke(app, ["erase", "slack:U012"])
    assert (said.exit_code, "2 replies to the person may still be sent" in said.output) == (1, True)
    found = re.search(r"POST (\S+)/(resend), /(confirm) or /(cancel)\)", said.output)
    assert found, said.output
    path, *operations = found.groups()
    there = {route.path for route in router.routes if "POST" in getattr(route, "methods", ())}  # type: ignore[attr-defined]
    assert {f"{path}/{operation}" for operation in operations} <= there


def test_no_statement_is_given_up_here_before_postgresql_gives_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    async def connect(*_: Any, command_seconds: float = 0.0, **__: Any) -> Database:
        given.append(command_seconds)
        raise OSError("no database here")

    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    monkeypatch.setattr(Database, "connect", connect)
    assert run.invoke(app, ["erase", "slack:U012"]).exit_code == 1
    minutes = re.search(r"'(\d+)min'", PATIENCE)
    assert minutes is not None
    assert min(given) > 60 * int(minutes[1])
