"""One running stack for all tests of this folder; each test gets a town in it where nothing is under way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from sandbox.stack.options import StackOptions
from sandbox.stack.progress import SILENT
from sandbox.stack.stack import Stack
from tests.conftest import run_aside, server_folder
from tests.end_to_end.support import faults
from tests.end_to_end.support import town as towns
from tests.end_to_end.support.town import Town

ELSEWHERE = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "SLACK_API_URL", "TELEGRAM_API_URL", "FAULT_POINTS")
"""These would make the stack lean on servers that a test may not kill."""
IMPATIENT = {"SLACK_TIMEOUT_SECONDS": "2", "TELEGRAM_TIMEOUT_SECONDS": "2", "SETTLING_SECONDS": "1"}
"""A doubtful send is looked into after three seconds, not fifteen."""
GAP_SECONDS = 3
"""So long ingest-slack must have heard nothing to have history read when it starts."""


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole of Okno with two routers, breakable at every fault point."""
    with pytest.MonkeyPatch.context() as environment, server_folder("stack") as state:
        for name in ELSEWHERE:
            environment.delenv(name, raising=False)
        env = {"notifier": IMPATIENT, **faults.environment(state / "breaking")}
        env["ingest-worker"]["SLACK_BACKFILL_AFTER_SECONDS"] = str(GAP_SECONDS)
        options = StackOptions(state=state, stable_ports=False, routers=2, extra_env=env)
        running = Stack(options, progress=SILENT)
        run_aside(running.start)
        yield running
        run_aside(running.stop)


@pytest.fixture
async def town(stack: Stack) -> AsyncIterator[Town]:
    """People, talks and the truth about them."""
    async with towns.town(stack) as made:
        try:
            yield made
        finally:
            made.faults.disarm()
