"""What the router forgets in time, what it keeps, and that a late duplicate is decided once as long as it may come."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import ManualClock
from chassis.pruning import REPEATABLE_DAYS, Pruner
from chassis.settings import read
from contracts.ticket_events_v1 import Status
from services.router import retention
from services.router.settings import RouterSettings
from tests.integration.router.alone import Router
from tests.integration.router.test_view import changed
from tests.unit.router.makers import ALICE, BOB, NOW, edit, post

ENVIRONMENT = {"DATABASE_URL": "postgresql://x@y/z", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}


async def prune(router: Router, days: float) -> dict[str, int]:
    """A turn of the pruner in so many days."""
    clock = ManualClock(datetime.now(UTC) + timedelta(days=days))
    removed = await Pruner(router.database, retention.rules(read(RouterSettings, ENVIRONMENT)), clock=clock).prune()
    return {name: number for name, number in removed.items() if number}


async def test_a_redelivery_is_decided_once_as_long_as_it_may_come(router: Router) -> None:
    question = post()
    assert await router.take(question)
    assert await prune(router, REPEATABLE_DAYS) == {}
    assert await router.take(question) == []
    assert await prune(router, 41) == {"decisions": 1}


async def test_an_early_edit_waits_and_is_then_forgotten(router: Router) -> None:
    first, second = post(), post(BOB, 60)
    await router.take(edit(first, 5, "better"), edit(second, 65, "best"))
    await prune(router, REPEATABLE_DAYS)
    assert len(await router.take(first)) == 2, "the message and its edit"
    assert (await prune(router, 41))["early_changes"] == 1
    assert len(await router.take(second)) == 1


@pytest.mark.parametrize("status", [Status.SOLVED, Status.CLOSED])
async def test_an_ended_ticket_goes_whole_and_its_thread_opens_anew(router: Router, status: Status) -> None:
    placed = await router.place(post())
    assert await router.rule(post(seconds=30)) == "continue", "so its thread is an alias of the first one's place"
    await router.take(changed(placed, status=status, ended=NOW))
    assert "tickets" not in await prune(router, 300)
    await prune(router, 400)
    for table in ("tickets", "ticket_conversations", "conversations", "places", "messages", "decisions"):
        assert await router.database.pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    assert await router.rule(post(seconds=900, thread=0)) == "open_in_thread"


async def test_what_belongs_to_a_ticket_that_goes_on_stays(router: Router) -> None:
    placed = await router.place(post(ALICE))
    await router.take(changed(placed, status=Status.OPEN))
    await prune(router, 4000)
    assert await router.rule(post(BOB, seconds=900, thread=0)) == "append_thread"


async def test_talks_that_no_ticket_was_told_of_go_too(router: Router) -> None:
    await router.place(post())
    assert "conversations" not in await prune(router, 300)
    assert (await prune(router, 400))["conversations"] == 1
    assert await router.database.pool.fetchval("SELECT count(*) FROM places") == 0
