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
        self.asked: list[tuple[object, ...]] = []
        self.found: bool | None = None

    async def execute(self, _: str, *arguments: object) -> None:
        self.stored.append(arguments)

    async def fetchval(self, _: str, *arguments: object) -> bool | None:
        self.asked.append(arguments)
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


@pytest.mark.parametrize("channel", ["slack:C034", "telegram:7700:-100123", "telegram:7700:501"])
def test_a_channel_is_paused_by_its_key(channel: str, table: Table) -> None:
    said = run.invoke(app, ["deliveries", "pause", "--reason", "incident", "--channel", channel])
    assert (said.exit_code, said.output) == (0, f"{channel}: paused.\n")
    assert [scope for scope, *_ in table.stored] == [channel]


@pytest.mark.parametrize(
    ("channel", "wrong"),
    [
        ("", "must begin with one of slack, telegram and a colon"),
        ("C034", "must begin with one of slack, telegram and a colon"),
        ("matrix:C034", "must begin with one of slack, telegram and a colon"),
        ("slack:#general", "must have the channel's id, not its name"),
        ("slack:c034", "must have the channel's id, not its name"),
        ("slack:C034:1716300000.000100", "must have the channel's id"),
        ("slack:C034/1716300000.000100", "must have the channel's id"),
        ("slack:C034\n", "must have the channel's id"),
        ("telegram:-100123", "must have the bot's id and the chat's id, both numbers"),
        ("telegram:okno_bot:501", "must have the bot's id and the chat's id, both numbers"),
        ("telegram:7700:@okno", "must have the bot's id and the chat's id, both numbers"),
        ("telegram:7700:-100123:55", "must have the bot's id and the chat's id"),
    ],
)
def test_what_is_no_channel_key_pauses_nothing_and_says_so(channel: str, wrong: str, table: Table) -> None:
    said = run.invoke(app, ["deliveries", "pause", "--reason", "incident", "--channel", channel])
    assert said.exit_code == 1
    assert wrong in said.output
    assert "looks like slack:C034 or telegram:7700:-100123." in said.output
    assert table.stored == []


def test_a_pause_of_what_is_no_channel_key_can_still_be_ended(table: Table) -> None:
    table.found = True
    assert run.invoke(app, ["deliveries", "resume", "--channel", "C034"]).output == "C034: resumed.\n"
    table.found = None
    said = run.invoke(app, ["deliveries", "resume", "--channel", "C034"])
    assert (said.exit_code, "'C034' is not paused." in said.output) == (1, True)


def test_an_empty_channel_is_not_all_channels(table: Table) -> None:
    said = run.invoke(app, ["deliveries", "resume", "--channel", ""])
    assert (said.exit_code, "'' is not paused." in said.output) == (1, True)
    assert table.asked == [("",)]
