"""Limits are kept without losing anything, a 429 closes the whole bucket, and people can pause deliveries."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import pytest

from chassis.database import Database
from contracts.keys import Platform
from sandbox.slack.faults import Fault
from services.notifier import pauses
from services.notifier.ledger import leases
from tests.integration.notifier.conftest import Desk, Dying, eventually


async def test_a_burst_stays_inside_the_platforms_limits(desk: Desk) -> None:
    slack, telegram = desk.slack_channel(), desk.telegram_dialog()
    posts = [desk.post(slack, f"{number}", conversation=f"cnv_{number}") for number in range(6)]
    posts += [desk.post(telegram, f"{number}") for number in range(3)]
    async with desk.dispatching():
        await desk.give(*posts)
        for post in posts:
            await desk.reaches(post, "post sent")
    assert sorted(desk.slack_posts(slack)) == ["0", "1", "2", "3", "4", "5"]
    assert desk.telegram_posts(telegram) == ["0", "1", "2"]
    assert set(desk.calls("chat.postMessage")) == {"ok"}
    assert set(_answers(desk)) == {None}


async def test_a_database_that_leaves_between_look_and_lease_keeps_no_channel_closed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = desk.post(desk.telegram_dialog())
    usual = leases.take
    left: list[bool] = []

    async def leaving(
        database: Database, chosen: Sequence[leases.Candidate], seconds: dict[str, float]
    ) -> leases.Granted:
        if not left:
            left.append(True)
            raise asyncpg.InterfaceError("the underlying connection is closed")
        return await usual(database, chosen, seconds)

    monkeypatch.setattr(leases, "take", leaving)
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
    assert left


async def test_retry_after_closes_the_method_for_the_whole_slack_workspace(desk: Desk) -> None:
    one, two = desk.slack_channel("one"), desk.slack_channel("two")
    desk.slack.faults.add(Fault("chat.postMessage", "rate_limit", retry_after=2, times=1))
    first, second = desk.post(one), desk.post(two)
    async with desk.dispatching():
        await desk.give(first)
        await eventually(lambda: desk.calls("chat.postMessage") == ["rate_limit"])
        await desk.reaches(first, "post queued")
    held_until = await desk.database.pool.fetchval("SELECT held_until FROM buckets WHERE name = 'slack:T0SANDBOX/post'")
    async with desk.dispatching():  # another process: the hold is shared
        await desk.give(second)
        for post in (first, second):
            receipt = await desk.reaches(post, "post sent")
            assert receipt.at >= held_until
    sending = [one.at for one in await desk.receipts(second.delivery_id) if one.state == "sending"]
    assert min(sending) >= held_until


async def test_retry_after_of_one_telegram_chat_holds_that_chat_and_of_two_the_bot(desk: Desk) -> None:
    places = [desk.telegram_dialog(number) for number in (5, 6, 7)]
    desk.telegram.faults.add("sendMessage", "429", count=1, retry_after=30, chat_id=5)
    first, second, third = (desk.post(place) for place in places)
    async with desk.dispatching() as dispatcher:
        await desk.give(first)
        await eventually(lambda: len(_answers(desk)) == 1)
        await desk.reaches(first, "post queued")
        await desk.give(second)
        await desk.reaches(second, "post sent")
        desk.telegram.faults.add("sendMessage", "429", count=1, retry_after=30, chat_id=6)
        again = desk.post(places[1])
        await desk.give(again)
        await eventually(lambda: len(_answers(desk)) == 3)
        await desk.reaches(again, "post queued")
        await desk.give(third)
        turn = await dispatcher.turn()
        assert (turn.leased, await desk.state(third)) == (0, "post queued")
    assert _answers(desk) == [429, None, 429]


def _answers(desk: Desk) -> list[int | None]:
    return [call["error_code"] for call in desk.telegram.calls if call["method"] == "sendMessage"]


async def test_a_paused_channel_waits_and_others_do_not(desk: Desk) -> None:
    quiet, busy = desk.slack_channel("quiet"), desk.slack_channel("busy")
    paused, other = desk.post(quiet), desk.post(busy)
    async with desk.database.transaction() as connection:
        await pauses.pause(connection, quiet.channel.key, reason="incident", by="lead")
    async with desk.dispatching() as dispatcher:
        await desk.give(paused, other)
        await desk.reaches(other, "post sent")
        assert (await dispatcher.turn()).leased == 0
        waiting = await leases.waiting(desk.database, range(64))
        assert [row[:3] for row in waiting] == [("slack", "paused", 1)]
        async with desk.database.transaction() as connection:
            (one,) = await pauses.paused(connection)
            assert (one.scope, one.reason, one.paused_by, one.waiting) == (quiet.channel.key, "incident", "lead", 1)
            assert await pauses.resume(connection, quiet.channel.key)
            assert not await pauses.resume(connection, quiet.channel.key)
        await desk.reaches(paused, "post sent")


async def test_a_doubt_that_a_pause_holds_back_counts_as_paused(desk: Desk) -> None:
    """It is `sending`, and nobody may read back what became of it; somebody wants that."""
    place = desk.slack_channel()
    dying = Dying(desk, posts=True)
    async with desk.dispatching(senders={Platform.SLACK: dying}):
        post = desk.post(place)
        await desk.give(post)
        await dying.died.wait()
    async with desk.database.transaction() as connection:
        await pauses.pause(connection, pauses.EVERYTHING, reason="incident", by="lead")

    async def counted(lease_ends: str) -> list[tuple[str, str, int]]:
        await desk.database.pool.execute(f"UPDATE operations SET due_at = clock_timestamp() {lease_ends}")
        return [row[:3] for row in await leases.waiting(desk.database, range(64))]

    assert await counted("+ interval '1 hour'") == [("slack", "sending", 1)]
    assert await counted("- interval '1 second'") == [("slack", "paused", 1)]
    assert await desk.state(post) == "post sending"


async def test_everything_can_be_paused(desk: Desk) -> None:
    slack, telegram = desk.post(desk.slack_channel()), desk.post(desk.telegram_dialog())
    async with desk.database.transaction() as connection:
        await pauses.pause(connection, pauses.EVERYTHING, reason="migration", by="lead")
        await pauses.pause(connection, pauses.EVERYTHING, reason="still", by="lead")
    async with desk.dispatching() as dispatcher:
        await desk.give(slack, telegram)
        assert (await dispatcher.turn()).leased == 0
        async with desk.database.transaction() as connection:
            assert [one.waiting for one in await pauses.paused(connection)] == [2]
            await pauses.resume(connection, pauses.EVERYTHING)
        await desk.reaches(slack, "post sent")
        await desk.reaches(telegram, "post sent")
