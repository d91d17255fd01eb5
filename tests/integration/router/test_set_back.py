"""A database set back is noticed by the commands that it published: their events aren't decided."""

from __future__ import annotations

import pytest

from chassis import published
from chassis.published import PublishedAhead
from contracts.ticket_commands_v1 import TicketCommand
from services.router.bootstrap import COMMANDS
from services.router.view.published import missing_commands
from tests.integration.router.conftest import RouterBench
from tests.unit.router.makers import ALICE, post


async def test_commands_of_events_that_are_not_decided_are_refused(bench: RouterBench) -> None:
    async with bench.router():
        await bench.send(post(ALICE, 0))
        await bench.settled()
    await published.check(bench.database, bench.settings, {COMMANDS: missing_commands})
    (command,) = await bench.published(COMMANDS)
    assert isinstance(command, TicketCommand)
    await bench.database.pool.execute("DELETE FROM decisions WHERE event_id = $1", command.event_id)
    with pytest.raises(PublishedAhead, match="published by a database that isn't this one"):
        await published.check(bench.database, bench.settings, {COMMANDS: missing_commands})
