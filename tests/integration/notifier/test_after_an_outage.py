"""When a platform is back after an hour: stale notices are dropped, answers never, and fresh conversations go soon."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import ManualClock
from chassis.metrics import REGISTRY
from contracts.chat_receipts_v1 import DeliveryError
from contracts.chat_replies_v1 import PostReply, ReplySource, ResendReply
from contracts.keys import MessageKey, Platform, message_key
from services.notifier import shared_limits
from services.notifier.dispatch import SAMPLE_SECONDS, _Turn
from services.notifier.outcomes import ChangeOutcome, Content, Later, Posted, PostOutcome, ReadOutcome, Sender, Target
from services.notifier.shared_limits import Rate
from tests.integration.notifier.conftest import BOT as OUR_BOT
from tests.integration.notifier.conftest import TIMEOUT, Desk

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
AWAY = Later(DeliveryError(code="away", text="Away."))
BOT = Rate(interval=10.0, burst=4)
"""So slow that a bucket gets no room while a test runs: only `Turns.turn` gives it."""


class Platformlike(Sender):
    """Takes every post at once while it is there; notes whose it was."""

    timeout = TIMEOUT
    keeps_messages = True

    def __init__(self) -> None:
        self.away = False
        self.posted: list[str] = []

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    def render(self, text: str, mentions: Sequence[object]) -> list[Content]:
        return [Content(text)]

    async def post(self, target: Target, content: Content) -> PostOutcome:
        if self.away:
            return AWAY
        self.posted.append(content.text)
        return Posted(message_key(target.channel, str(len(self.posted))))

    async def update(self, key: MessageKey, content: Content) -> ChangeOutcome:
        raise NotImplementedError

    async def remove(self, key: MessageKey) -> ChangeOutcome:
        raise NotImplementedError

    async def find(self, target: Target, since: float) -> ReadOutcome:
        raise NotImplementedError


class Turns:
    """A dispatcher that turns when it is told to, by a clock that stands still between."""

    def __init__(self, desk: Desk, platform: Platformlike) -> None:
        self.clock = ManualClock(NOW)
        self._desk = desk
        self._dispatcher = desk.dispatcher({Platform.TELEGRAM: platform}, clock=self.clock)

    async def turn(self, room: int = 4) -> None:
        """One turn in which the bot's bucket has room for so many calls, and all channels for one."""
        await self.clock.advance(60)
        await self._desk.database.pool.execute(
            "INSERT INTO buckets VALUES ($1, clock_timestamp() + $2 * interval '1 second', '-infinity')"
            " ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at",
            f"telegram:{OUR_BOT}",
            (BOT.burst - room) * BOT.interval - 1,
        )
        await self._dispatcher.turn()
        await asyncio.gather(*self._dispatcher._tasks)


@pytest.fixture
def platform() -> Platformlike:
    return Platformlike()


@pytest.fixture
def turns(desk: Desk, platform: Platformlike, monkeypatch: pytest.MonkeyPatch) -> Turns:
    monkeypatch.setattr(shared_limits, "TELEGRAM_BOT", BOT)
    return Turns(desk, platform)


def notice(desk: Desk, chat: int, *, asked: datetime) -> PostReply:
    return desk.post(desk.telegram_place(chat), f"received {chat}", source=ReplySource.AUTOMATIC, requested_at=asked)


def dropped() -> float:
    labels = {"platform": "telegram", "state": "cancelled", "cause": "stale"}
    return REGISTRY.get_sample_value("okno_deliveries_total", labels) or 0.0


async def test_a_stale_notice_is_cancelled_and_says_why_and_an_answer_as_old_is_posted(
    desk: Desk, platform: Platformlike, turns: Turns
) -> None:
    before = dropped()
    stale, fresh = notice(desk, 5, asked=NOW - HOUR), notice(desk, 6, asked=NOW - timedelta(minutes=13))
    answer = desk.post(desk.telegram_place(5), "an answer", requested_at=NOW - HOUR)
    await desk.give(stale, answer, fresh)
    await turns.turn()
    assert sorted(platform.posted) == ["an answer", "received 6"]
    receipt = await desk.reaches(stale, "post cancelled")
    assert receipt.error is not None
    assert (receipt.error.code, receipt.message_keys) == ("stale", ())
    assert dropped() == before + 1


async def test_a_notice_gets_stale_while_the_platform_is_away(desk: Desk, platform: Platformlike, turns: Turns) -> None:
    one, answer = notice(desk, 5, asked=NOW), desk.post(desk.telegram_place(6), "an answer", requested_at=NOW)
    platform.away = True
    await desk.give(one, answer)
    await turns.turn()
    assert await desk.states(one) == ["post queued", "post sending", "post queued"]
    await turns.clock.advance(HOUR.total_seconds())
    platform.away = False
    await desk.database.pool.execute("UPDATE operations SET due_at = clock_timestamp()")  # the backoff is over
    await turns.turn()
    assert platform.posted == ["an answer"]
    assert await desk.state(one) == "post cancelled"


async def test_a_notice_that_a_person_sends_again_has_no_age(desk: Desk, platform: Platformlike, turns: Turns) -> None:
    one = notice(desk, 5, asked=NOW)
    await desk.give(one)
    await desk.database.pool.execute("UPDATE operations SET state = 'failed'")
    await turns.clock.advance(HOUR.total_seconds())
    await desk.give(desk.about(ResendReply, one))
    await turns.turn()
    assert platform.posted == ["received 5"]


async def test_more_stale_notices_than_fit_a_batch_are_dropped_in_one_turn(
    desk: Desk, platform: Platformlike, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.ledger.notices.BATCH", 3)
    notices = [notice(desk, chat, asked=NOW - HOUR) for chat in range(1, 8)]
    await desk.give(*notices)
    await turns.turn()
    assert platform.posted == []
    assert {await desk.state(one) for one in notices} == {"post cancelled"}


@pytest.mark.parametrize("room", [4, 1], ids=["a burst a turn", "a call a turn"])
async def test_a_fresh_conversation_does_not_wait_behind_an_hours_backlog(
    desk: Desk, platform: Platformlike, turns: Turns, room: int
) -> None:
    backlog = [
        desk.post(desk.telegram_place(chat), f"old {number} {chat}", conversation=f"cnv_{chat}")
        for number in range(3)
        for chat in range(1, 301)
    ]
    await desk.give(*backlog)
    await desk.database.pool.execute("UPDATE operations SET due_at = due_at - interval '1 hour'")
    await desk.give(desk.post(desk.telegram_place(1000), "fresh"))
    for _ in range(40):
        await turns.turn(room)
    assert "fresh" in platform.posted
    assert len(platform.posted) == 40 * room
    # Nor are those starved that wait longest: they have about half of all turns.
    longest = {f"old 0 {chat}" for chat in range(1, 1 + 40 * room)}
    assert len(longest & set(platform.posted)) >= 5


async def test_a_backlog_that_takes_many_turns_is_no_stuck_loop(
    desk: Desk, platform: Platformlike, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn finds something to send, so the loop never rests: it is alive, and says how much waits."""
    clock = ManualClock(NOW)
    dispatcher = desk.dispatcher({Platform.TELEGRAM: platform}, clock=clock)
    ages: list[float] = []
    looks: list[float] = []

    async def slow_turn() -> _Turn:
        ages.append(dispatcher.last_turn_age())
        looks.append(dispatcher._sampled)
        await clock.advance(SAMPLE_SECONDS)
        if len(ages) == 20:
            dispatcher.stop()
        return _Turn(1, more=True, wait=0.0)

    monkeypatch.setattr(dispatcher, "turn", slow_turn)
    await dispatcher.run()
    assert ages == [0.0] * 20
    assert len(set(looks)) == 20
