"""`okno deliveries`: what is held back, and in whose name."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import deliveries
from cli.commands import app

run = CliRunner()


class Table:
    """Stands for the notifier's database: what was stored, and what a deletion finds."""

    def __init__(self) -> None:
        self.stored: list[tuple[object, ...]] = []
        self.found: bool | None = None

    async def execute(self, _: str, *arguments: object) -> None:
        self.stored.append(arguments)

    async def fetchval(self, *_: object) -> bool | None:
        return self.found


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    table = Table()

    def work_on_table(work: Callable[[Any], Awaitable[Any]]) -> Any:
        async def worked() -> Any:
            return await work(table)

        return asyncio.run(worked())

    monkeypatch.setattr(deliveries, "_in_notifier", work_on_table)
    return table


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 65532"), OSError("No username set")])
def test_a_user_without_a_name_is_told_by_the_number(
    error: Exception, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 65532)
    assert run.invoke(app, ["deliveries", "pause", "--reason", "incident"]).output == "All deliveries: paused.\n"
    assert table.stored == [("*", "incident", "uid 65532")]
