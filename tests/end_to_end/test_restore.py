"""A PostgreSQL that was set back to a backup, the whole of Okno on it: `okno restore`, and everybody goes on."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner

from cli.commands import app as okno
from tests.end_to_end.support.town import Town
from tests.end_to_end.test_set_back import copy, stopped_postgres

OKNO = ("ingest-slack", "ingest-telegram", "ingest-worker", "router-0", "router-1", "ticketing-api",
        "ticketing-worker-0", "notifier-0")  # fmt: skip


async def test_customers_and_agents_find_everything_as_they_left_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(6)]
    for talk in talks:
        await talk.says()
        await talk.answered()
    await town.check()
    backup = town.stack.state / "backup"
    async with stopped_postgres(town) as data:
        copy(data, backup)

    # Since the backup: old talks go on, new ones begin, agents work.
    talks += [await town.slack(), await town.telegram()]
    for talk in talks:
        await talk.says()
        await talk.answered()
    slack, telegram = talks[1], talks[0]
    await slack.edits(slack.lines[0], "edited since")
    await slack.deletes(await slack.says("not meant"))
    changed = await town.change(await telegram.ticket(), tags=["urgent"], priority="high")
    await town.change(await talks[2].ticket(), status="solved")
    await town.check()
    tickets = [await town.clients.api("GET", f"/tickets/{await talk.ticket()}") for talk in talks]
    histories = [await town.history(ticket["id"]) for ticket in tickets]

    await asyncio.gather(*map(town.stack.stop_process, OKNO))
    async with stopped_postgres(town) as data:
        copy(backup, data)
    monkeypatch.setenv("DATABASE_URL", town.stack.info.postgres.dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", town.stack.info.kafka.bootstrap_servers)
    said = await asyncio.to_thread(CliRunner().invoke, okno, ["restore"])
    assert said.exit_code == 0, said.output
    assert "recovered: 0 posts were possibly sent" in said.output
    await asyncio.gather(*map(town.stack.start_process, OKNO))

    await town.check()
    assert [await town.clients.api("GET", f"/tickets/{ticket['id']}") for ticket in tickets] == tickets
    assert [await town.history(ticket["id"]) for ticket in tickets] == histories
    assert (changed["priority"], changed["tags"]) == ("high", ["urgent"])
    for talk in talks:
        await talk.says()
        await talk.answered()
    await town.check()
