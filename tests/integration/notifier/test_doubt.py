"""After a doubtful send a reply is in the chat once, or the delivery says that nobody can know."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chassis.database import Database
from chassis.metrics import REGISTRY
from contracts.chat_replies_v1 import ConfirmReply, DeleteReply, EditReply, ResendReply
from contracts.keys import Platform
from sandbox.slack.faults import Fault
from services.notifier.ledger import leases
from services.notifier.outcomes import Content, PostOutcome, Target
from services.notifier.slack.send import SlackSender
from tests.integration.notifier.conftest import SETTLING, TIMEOUT, Desk, Dying, Stopped, eventually


def break_once(desk: Desk, kind: str, *, effect: bool, **more: object) -> None:
    """The next chat.postMessage breaks, before or after its effect."""
    desk.slack.faults.add(Fault("chat.postMessage", kind, effect=effect, times=1, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("effect", [True, False], ids=["posted", "not posted"])
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("drop", {}),
        ("api_error", {"error": "internal_error"}),
        ("api_error", {"error": "fatal_error"}),
        ("http_error", {"status": 502}),
        ("delay", {"seconds": TIMEOUT * 1.2}),
    ],
    ids=["connection cut", "internal_error", "fatal_error", "bad gateway", "timeout"],
)
async def test_a_slack_post_without_an_answer_is_read_back_and_posted_once(
    desk: Desk, kind: str, more: dict[str, object], effect: bool
) -> None:
    def measured() -> float:
        return REGISTRY.get_sample_value("okno_reply_to_chat_seconds_count", {"platform": "slack"}) or 0.0

    before = measured()
    place = desk.slack_channel()
    break_once(desk, kind, effect=effect, **more)
    post, following = desk.post(place, "once"), desk.post(place, "after it")
    async with desk.dispatching():
        await desk.give(post, following)
        await desk.reaches(post, "post sent")
        await desk.reaches(following, "post sent")
    assert desk.slack_posts(place) == ["once", "after it"]
    assert desk.calls("conversations.replies") == ["ok"]
    assert measured() == before + 2, "what is found by reading back counts too: it took the longest"


async def test_a_post_that_stays_in_doubt_is_tried_again_ever_later(desk: Desk) -> None:
    """Reading back says that it isn't there; that doesn't make the next try a first one."""
    place = desk.slack_channel()
    desk.slack.faults.add(Fault("chat.postMessage", "api_error", error="internal_error"))
    post = desk.post(place, "once")

    async def failures() -> int:
        number: int = await desk.database.pool.fetchval("SELECT failures FROM operations")
        return number

    async with desk.dispatching():
        await desk.give(post)

        async def twice() -> bool:
            return await failures() == 2

        await eventually(twice)
        desk.slack.faults.clear()
        await desk.reaches(post, "post sent")
    assert await failures() == 0
    assert desk.slack_posts(place) == ["once"]


async def test_a_post_in_a_dialog_is_read_back_from_its_history(desk: Desk) -> None:
    place = desk.slack_dialog()
    break_once(desk, "drop", effect=True)
    post = desk.post(place, "once")
    async with desk.dispatching():
        await desk.give(post)
        receipt = await desk.reaches(post, "post sent")
    assert desk.slack_posts(place) == ["once"]
    assert desk.calls("conversations.history") == ["ok"]
    assert len(receipt.message_keys) == 1


@pytest.mark.parametrize("effect", [True, False], ids=["posted", "not posted"])
async def test_a_sender_that_dies_leaves_a_doubt_that_its_successor_settles(desk: Desk, effect: bool) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "once")
    senders = desk.senders()
    dying = Dying(desk, posts=effect)
    async with desk.dispatching(senders={Platform.SLACK: dying}):
        await desk.give(post)
        await dying.died.wait()
        assert await desk.state(post) == "post sending"
    async with desk.dispatching(senders=senders):
        await desk.reaches(post, "post sent")
    assert desk.slack_posts(place) == ["once"]


async def test_nobody_reads_back_or_resends_before_the_lease_ends(desk: Desk) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "once")
    dying = Dying(desk, posts=False)
    async with desk.dispatching(senders={Platform.SLACK: dying}):
        await desk.give(post)
        await dying.died.wait()
    async with desk.dispatching():
        await desk.reaches(post, "post sent")
    leased, *later = [one.at for one in await desk.receipts(post.delivery_id) if one.state == "sending"]
    assert later
    assert min(later) >= leased + timedelta(seconds=TIMEOUT + SETTLING)


async def test_a_doubt_about_a_platform_that_is_connected_no_more_stays_one(desk: Desk) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "once")
    dying = Dying(desk, posts=True)
    async with desk.dispatching(senders={Platform.SLACK: dying}):
        await desk.give(post)
        await dying.died.wait()
    async with desk.dispatching(senders={}):
        receipt = await desk.reaches(post, "post unknown")
    assert receipt.error is not None
    assert receipt.error.code == "not_connected"
    await desk.give(desk.about(ConfirmReply, post))
    assert await desk.state(post) == "post sent"


TROUBLES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "none": [],
    "limit": [("rate_limit", {"retry_after": 1})],
    "error": [("http_error", {"status": 502})],
    "cut": [("drop", {"effect": True})],
    "all": [("rate_limit", {"retry_after": 1}), ("api_error", {"error": "fatal_error"}), ("drop", {})],
}
"""What the first removals of a copy come to."""


def trouble(desk: Desk, kind: str) -> None:
    for fault, more in TROUBLES[kind]:
        desk.slack.faults.add(Fault("chat.delete", fault, times=1, **more))


@pytest.mark.parametrize("kind", TROUBLES)
async def test_of_two_copies_the_later_is_deleted(desk: Desk, kind: str) -> None:
    """A sender is stopped just before its request, is thought dead, and comes back when its post was made again."""
    place = desk.slack_channel()
    trouble(desk, kind)
    post, following = desk.post(place, "once"), desk.post(place, "after it")
    stopped = Stopped(desk)
    async with desk.dispatching(senders={Platform.SLACK: stopped}) as first:
        await desk.give(post)
        await stopped.reached.wait()
        first.stop()  # it takes nothing any more: the other one has the post from now on
        async with desk.dispatching():
            await desk.reaches(post, "post sent")
            stopped.go_on.set()
            await eventually(lambda: desk.calls("chat.delete") and desk.slack_posts(place) == ["once"])
            await desk.give(following)
            receipt = await desk.reaches(following, "post sent")
    assert desk.slack_posts(place) == ["once", "after it"]
    keys = [one.message_keys for one in await desk.receipts(post.delivery_id)][-1]
    assert keys[0] < receipt.message_keys[0]


class Answered(SlackSender):
    """A sender to whom Slack's answer takes its time."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(token="xoxb-sandbox-bot-token", api_url=f"{desk.base_url}/slack/api/", timeout=TIMEOUT)
        self.posted, self.answer = asyncio.Event(), asyncio.Event()

    async def post(self, target: Target, content: Content) -> PostOutcome:
        outcome = await super().post(target, content)
        self.posted.set()
        await self.answer.wait()
        return outcome


async def test_a_copy_that_comes_while_the_post_is_under_way_is_read_back_before_the_reply_is_sent(desk: Desk) -> None:
    """Who posted under a lost lease doesn't know what its successor's call will come to: that one looks."""

    async def asked_to_look() -> bool:
        return bool(await desk.database.pool.fetchval("SELECT recheck FROM operations"))

    place = desk.slack_channel()
    post = desk.post(place, "once")
    stopped, answered = Stopped(desk), Answered(desk)
    async with desk.dispatching(senders={Platform.SLACK: stopped}) as first:
        await desk.give(post)
        await stopped.reached.wait()
        first.stop()
        async with desk.dispatching(senders={Platform.SLACK: answered}):
            await answered.posted.wait()
            stopped.go_on.set()
            await eventually(asked_to_look)
            assert desk.slack_posts(place) == ["once", "once"]
            answered.answer.set()
            receipt = await desk.reaches(post, "post sent")
            assert desk.slack_posts(place) == ["once"]
    assert receipt.message_keys == tuple(desk.slack_keys(place))
    assert not await asked_to_look()


@pytest.mark.parametrize("kind", TROUBLES)
async def test_two_copies_found_by_reading_back_become_one_before_the_reply_is_sent(desk: Desk, kind: str) -> None:
    place = desk.slack_channel()
    trouble(desk, kind)
    post = desk.post(place, "once")
    dying = Dying(desk, posts=True, copies=2)
    async with desk.dispatching(senders={Platform.SLACK: dying}):
        await desk.give(post)
        await dying.died.wait()
    assert desk.slack_posts(place) == ["once", "once"]
    first = desk.slack_keys(place)[0]
    async with desk.dispatching():
        receipt = await desk.reaches(post, "post sent")
        assert desk.slack_posts(place) == ["once"]
    assert receipt.message_keys == (first,)
    assert desk.slack_keys(place) == [first]


@pytest.fixture
def once_unheard(monkeypatch: pytest.MonkeyPatch) -> list[leases.Settlement]:
    """The first outcome is written, but the commit's acknowledgement gets lost; all that were written. The second
    writing finds the lease over: by its own first one.
    """
    settle = leases.settle
    written: list[leases.Settlement] = []

    async def settle_once_unheard(database: Database, lease: leases.Lease, settlement: leases.Settlement) -> bool:
        recheck = await settle(database, lease, settlement)
        written.append(settlement)
        if len(written) == 1:
            raise ConnectionResetError
        return recheck

    monkeypatch.setattr(leases, "settle", settle_once_unheard)
    return written


@pytest.mark.parametrize("parts", [1, 2])
async def test_copies_go_though_the_acknowledgement_of_what_was_written_got_lost(
    desk: Desk, once_unheard: list[leases.Settlement], parts: int
) -> None:
    place = desk.slack_channel()
    text = "once " * (1 if parts == 1 else 1000)
    sender = desk.senders()[Platform.SLACK]
    assert len(sender.render(text, ())) == parts
    post = desk.post(place, text)
    dying = Dying(desk, posts=True, copies=2)
    async with desk.dispatching(senders={Platform.SLACK: dying}):
        await desk.give(post)
        await dying.died.wait()
    first, copy = desk.slack_keys(place)
    async with desk.dispatching():
        receipt = await desk.reaches(post, "post sent")
        await eventually(lambda: copy not in desk.slack_keys(place))
    assert len(once_unheard) == parts
    assert receipt.message_keys == tuple(desk.slack_keys(place))
    assert receipt.message_keys[0] == first
    assert desk.calls("chat.delete") == ["ok"]


async def test_a_post_stays_though_the_acknowledgement_of_what_was_written_got_lost(
    desk: Desk, once_unheard: list[leases.Settlement]
) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "once")
    async with desk.dispatching():
        await desk.give(post)
        receipt = await desk.reaches(post, "post sent")
        await eventually(lambda: desk.calls("conversations.replies") == ["ok"])  # it looks for copies
    assert len(once_unheard) == 1
    assert receipt.message_keys == tuple(desk.slack_keys(place))
    assert desk.calls("chat.delete") == []


async def test_reading_back_goes_through_all_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.notifier.slack.read_back.PAGE", 2)
    place = desk.slack_channel()
    for _ in range(7):
        desk.slack_customer_writes(place, "me too")
    break_once(desk, "drop", effect=True)
    post = desk.post(place, "once")
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
    assert desk.slack_posts(place) == ["once"]
    assert len(desk.calls("conversations.replies")) > 1


async def test_a_read_back_that_fails_for_now_is_repeated(desk: Desk) -> None:
    place = desk.slack_channel()
    break_once(desk, "drop", effect=True)
    desk.slack.faults.add(Fault("conversations.replies", "rate_limit", retry_after=1, times=1))
    desk.slack.faults.add(Fault("conversations.replies", "api_error", error="internal_error", times=1, skip=0))
    post = desk.post(place, "once")
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
    assert desk.slack_posts(place) == ["once"]


async def test_access_lost_before_reading_back_leaves_it_unknown_until_a_person_decides(desk: Desk) -> None:
    place = desk.slack_channel()
    other = desk.slack_channel("other")
    break_once(desk, "drop", effect=True)
    desk.slack.faults.add(Fault("conversations.replies", "api_error", error="not_in_channel"))
    post, following = desk.post(place, "once"), desk.post(other, "2", conversation=f"cnv_{place.key}")
    async with desk.dispatching():
        await desk.give(post, following)
        unknown = await desk.reaches(post, "post unknown")
        await desk.reaches(following, "post sent")
        assert unknown.error is not None
        assert unknown.error.code == "not_in_channel"
        await desk.give(desk.about(ConfirmReply, post))
        await desk.reaches(post, "post sent")


@pytest.mark.parametrize("kind", ["drop", "5xx_after", "5xx", "drop_before"])
async def test_a_telegram_post_without_an_answer_is_unknown_and_never_sent_again(desk: Desk, kind: str) -> None:
    place = desk.telegram_dialog()
    desk.telegram.faults.add("sendMessage", kind, count=1)  # type: ignore[arg-type]
    post, following = desk.post(place, "once"), desk.post(place, "after it")
    async with desk.dispatching():
        await desk.give(post, following)
        unknown = await desk.reaches(post, "post unknown")
        await desk.reaches(following, "post sent")
    assert unknown.error is not None
    assert "confirm" in unknown.error.text
    arrived = ["once"] if kind in {"drop", "5xx_after"} else []
    assert desk.telegram_posts(place) == [*arrived, "after it"]


async def test_a_telegram_sender_that_dies_leaves_an_unknown(desk: Desk) -> None:
    place = desk.telegram_dialog()
    post = desk.post(place, "once")
    dying = Dying(desk, posts=False)
    async with desk.dispatching(senders={Platform.TELEGRAM: dying}):
        await desk.give(post)
        await dying.died.wait()
    async with desk.dispatching():
        await desk.reaches(post, "post unknown")
        await desk.give(desk.about(ResendReply, post))
        await desk.reaches(post, "post sent")
    assert desk.telegram_posts(place) == ["once"]


async def test_a_telegram_call_that_surely_never_left_is_tried_again(desk: Desk) -> None:
    place = desk.telegram_dialog()
    desk.telegram.faults.add("sendMessage", "429", count=1, retry_after=1)
    post = desk.post(place, "once")
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
    assert desk.telegram_posts(place) == ["once"]


async def test_a_platform_that_can_not_be_reached_is_waited_for(desk: Desk, unused_tcp_port: int) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "once")
    nowhere = SlackSender(token="x", api_url=f"http://127.0.0.1:{unused_tcp_port}/api/", timeout=TIMEOUT)
    async with desk.dispatching(senders={Platform.SLACK: nowhere}):
        await desk.give(post)
        waiting = await desk.reaches(post, "post queued")
        while waiting.error is None:
            waiting = await desk.reaches(post, "post queued")
        assert waiting.error.code == "unreachable"
    async with desk.dispatching():
        await desk.reaches(post, "post sent")
    assert desk.slack_posts(place) == ["once"]
    assert desk.calls("conversations.replies") == []


async def test_confirming_ends_an_unknown_and_its_message_can_not_be_edited(desk: Desk) -> None:
    place = desk.telegram_dialog()
    desk.telegram.faults.add("sendMessage", "drop", count=1)
    post = desk.post(place, "once")
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post unknown")
        await desk.give(desk.about(ConfirmReply, post))
        confirmed = await desk.reaches(post, "post sent")
        assert confirmed.message_keys == ()
        await desk.give(desk.about(EditReply, post, text="other"))
        failed = await desk.reaches(post, "edit failed")
        assert failed.error is not None
        assert failed.error.code == "message_unknown"
        await desk.give(desk.about(DeleteReply, post))
        await desk.reaches(post, "delete failed")
    assert desk.telegram_posts(place) == ["once"]
