"""A database set back is noticed by the commands that it published: decided from events it hasn't read."""

from __future__ import annotations

import pytest

from chassis import published
from chassis.published import PublishedAhead
from contracts.ticket_commands_v1 import TicketCommand
from services.router.bootstrap import COMMANDS
from services.router.published import missing_commands
from tests.integration.router.conftest import RouterBench
from tests.unit.router.makers import ALICE, post


async def test_commands_of_events_that_are_not_read_are_refused(bench: RouterBench) -> None:
    async with bench.router():
        await bench.send(post(ALICE, 0))
        await bench.settled()
    await published.check(bench.database, bench.settings, {COMMANDS: missing_commands})
    (command,) = await bench.published(COMMANDS)
    assert isinstance(command, TicketCommand)
    await bench.database.pool.execute("DELETE FROM decisions")  # as by retention: no sign of anything
    await published.check(bench.database, bench.settings, {COMMANDS: missing_commands})
    await bench.database.pool.execute(
        "UPDATE positions SET next_offset = $2 WHERE topic = 'chat.events.v1' AND partition = $1",
        command.decided.partition,
        command.decided.offset,
    )
    with pytest.raises(PublishedAhead, match="published by a database that isn't this one"):
        await published.check(bench.database, bench.settings, {COMMANDS: missing_commands})
