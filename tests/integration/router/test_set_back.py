"""A database set back is noticed by the commands that it published: decided from events it hasn't read."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis import published
from chassis.published import PublishedAhead
from contracts.ticket_commands_v1 import TicketCommand
from sandbox.stack.kafka.server import EmbeddedKafka
from services.router.bootstrap import QUESTIONS
from tests import backups
from tests.integration.router.conftest import RouterBench
from tests.integration.router.processes import RouterProcess
from tests.unit.router.makers import ALICE, post


async def test_commands_of_events_that_are_not_read_are_refused(bench: RouterBench) -> None:
    async with bench.router():
        await bench.send(post(ALICE, 0))
        await bench.settled()
    await published.check(bench.database, bench.settings, QUESTIONS)
    (command,) = await bench.published("ticket.commands.v1")
    assert isinstance(command, TicketCommand)
    await bench.database.pool.execute("DELETE FROM decisions")  # as by retention: no sign of anything
    await published.check(bench.database, bench.settings, QUESTIONS)
    await bench.database.pool.execute(
        "UPDATE positions SET next_offset = $2 WHERE topic = 'chat.events.v1' AND partition = $1",
        command.decided.partition,
        command.decided.offset,
    )
    with pytest.raises(PublishedAhead, match="published by a database that isn't this one"):
        await published.check(bench.database, bench.settings, QUESTIONS)


async def test_a_router_that_runs_decides_nothing_again_on_a_database_set_back(
    bench: RouterBench, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    """Neither is its group's commit behind, nor had this process read the partition: only the commands show it."""
    process = await RouterProcess("router-0", dsn=bench.dsn, kafka=kafka.bootstrap_servers, folder=tmp_path).start()
    await bench.send(post(ALICE, 0))
    await bench.settled()
    async with bench.database.transaction() as connection:
        await connection.execute("UPDATE positions SET next_offset = 0 WHERE topic = 'chat.events.v1'")
        await connection.execute("DELETE FROM decisions")
        await backups.look_set_back(connection, "router-0")
    assert await process.died() == 1
    assert "okno positions accept router published ticket.commands.v1 " in process.log.read_text()
    assert len(await bench.published("ticket.commands.v1")) == 1
