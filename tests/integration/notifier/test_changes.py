"""Edits, deletions and cancellations reach the chat, or stop what hasn't been sent."""

from __future__ import annotations

import asyncio

import pytest

from chassis.backoff import Backoff
from contracts.chat_replies_v1 import CancelReply, DeleteReply, EditReply, ResendReply
from contracts.keys import Platform
from sandbox.slack.faults import Fault
from services.notifier.outcomes import Content, PostOutcome, Target
from tests.integration.notifier.conftest import Desk, Stopped, eventually


async def test_an_edit_and_a_deletion_reach_a_slack_post(desk: Desk) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "old")
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
        await desk.give(desk.about(EditReply, post, text="**new**"))
        edited = await desk.reaches(post, "edit sent")
        assert desk.slack_posts(place) == ["*new*"]
        await desk.give(desk.about(DeleteReply, post))
        deleted = await desk.reaches(post, "delete sent")
    assert desk.slack_posts(place) == []
    assert (len(edited.message_keys), deleted.message_keys) == (1, ())


async def test_an_edit_and_a_deletion_reach_a_telegram_post(desk: Desk) -> None:
    place = desk.telegram_dialog()
    post = desk.post(place, "old")
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
        await desk.give(desk.about(EditReply, post, text="**new**"), desk.about(EditReply, post, text="**new**"))
        await desk.reaches(post, "edit sent")
        await eventually(lambda: desk.telegram_posts(place) == ["new"])
        await desk.give(desk.about(DeleteReply, post))
        await desk.reaches(post, "delete sent")
    assert desk.telegram_posts(place) == []


async def test_an_edit_of_an_unsent_reply_changes_what_is_posted(desk: Desk) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "old")
    await desk.give(post, desk.about(EditReply, post, text="new"))
    async with desk.dispatching():
        await desk.reaches(post, "post sent")
    assert desk.slack_posts(place) == ["new"]
    assert desk.calls("chat.update") == []


async def test_a_deletion_of_an_unsent_reply_cancels_it(desk: Desk) -> None:
    place = desk.slack_channel()
    post, following = desk.post(place, "secret"), desk.post(place, "good")
    await desk.give(post, following, desk.about(DeleteReply, post))
    async with desk.dispatching():
        await desk.reaches(following, "post sent")
        await desk.give(desk.about(ResendReply, post), desk.about(EditReply, post, text="x"))
    assert desk.slack_posts(place) == ["good"]
    assert await desk.states(post) == ["post queued", "post cancelled"]


async def test_a_change_of_a_reply_that_is_being_sent_waits_for_it(desk: Desk) -> None:
    place = desk.slack_channel()
    edited, deleted = desk.post(place, "old"), desk.post(place, "secret", conversation="cnv_other")
    stopped = Stopped(desk)
    async with desk.dispatching(senders={Platform.SLACK: stopped}):
        await desk.give(edited)
        await stopped.reached.wait()
        await desk.give(desk.about(EditReply, edited, text="new"))
        await desk.give(deleted)
        await eventually(lambda: _is(desk, deleted.delivery_id, "sending"))
        await desk.give(desk.about(DeleteReply, deleted))
        stopped.go_on.set()
        await desk.reaches(edited, "edit sent")
        await desk.reaches(deleted, "delete sent")
    assert desk.slack_posts(place) == ["new"]


async def _is(desk: Desk, delivery_id: str, state: str) -> bool:
    return (await desk.receipts(delivery_id))[-1].state == state


@pytest.mark.parametrize("error", ["service_unavailable", "internal_error"], ids=["not taken", "in doubt"])
async def test_a_cancelled_reply_is_not_tried_again_and_waits_for_no_retry(desk: Desk, error: str) -> None:
    place = desk.slack_channel()
    desk.slack.faults.add(Fault("chat.postMessage", "api_error", error=error, times=1))
    post = desk.post(place)
    stopped = Stopped(desk)
    async with desk.dispatching(senders={Platform.SLACK: stopped}, retries=Backoff(first=3600, longest=3600)):
        await desk.give(post)
        await stopped.reached.wait()
        await desk.give(desk.about(CancelReply, post))
        stopped.go_on.set()
        await desk.reaches(post, "post cancelled")
    assert desk.slack_posts(place) == []


async def test_what_a_reply_cancelled_half_way_left_in_the_chat_is_removed_by_a_deletion(desk: Desk) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "long " * 2000)
    desk.slack.faults.add(Fault("chat.postMessage", "api_error", error="restricted_action", skip=1, times=1))
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post failed")
        await desk.give(desk.about(CancelReply, post))
        assert await desk.state(post) == "post cancelled"
        assert len(desk.slack_posts(place)) == 1
        await desk.give(desk.about(DeleteReply, post))
        await desk.reaches(post, "delete sent")
    assert desk.slack_posts(place) == []


async def test_cancelling_what_is_queued_or_sent(desk: Desk) -> None:
    place = desk.slack_channel()
    queued, sent = desk.post(place, "queued"), desk.post(place, "sent")
    await desk.give(queued, desk.about(CancelReply, queued), sent)
    async with desk.dispatching():
        await desk.reaches(sent, "post sent")
        await desk.give(desk.about(CancelReply, sent))
    assert desk.slack_posts(place) == ["sent"]
    assert (await desk.state(queued), await desk.state(sent)) == ("post cancelled", "post sent")


@pytest.mark.parametrize("error", ["edit_window_closed", "cant_update_message", "message_not_found"])
async def test_a_refused_edit_fails_alone(desk: Desk, error: str) -> None:
    place = desk.slack_channel()
    post, following = desk.post(place, "old"), desk.post(place, "2")
    desk.slack.faults.add(Fault("chat.update", "api_error", error=error))
    async with desk.dispatching():
        await desk.give(post, desk.about(EditReply, post, text="ignored"))
        await desk.reaches(post, "post sent")
        await desk.give(desk.about(EditReply, post, text="new"), following)
        failed = await desk.reaches(post, "edit failed")
        await desk.reaches(following, "post sent")
    assert failed.error is not None
    assert failed.error.code == error
    assert "post failed" not in await desk.states(post)


async def test_a_deletion_of_what_is_gone_already_has_succeeded(desk: Desk) -> None:
    slack, telegram = desk.slack_channel(), desk.telegram_dialog()
    there, elsewhere = desk.post(slack), desk.post(telegram)
    async with desk.dispatching():
        await desk.give(there, elsewhere)
        await desk.reaches(there, "post sent")
        receipt = await desk.reaches(elsewhere, "post sent")
        channel = desk.slack.workspace.channel(slack.channel.key.partition(":")[2])
        desk.slack.messages.delete(channel, list(channel.messages.values())[-1])
        desk.telegram.actions.delete(5, int(receipt.message_keys[0].rpartition(":")[2]))
        await desk.give(desk.about(DeleteReply, there), desk.about(DeleteReply, elsewhere))
        await desk.reaches(there, "delete sent")
        await desk.reaches(elsewhere, "delete sent")


@pytest.mark.parametrize("kind", ["drop", "api_error"])
async def test_an_edit_without_an_answer_is_made_again(desk: Desk, kind: str) -> None:
    place = desk.slack_channel()
    post = desk.post(place, "old")
    desk.slack.faults.add(Fault("chat.update", kind, effect=True, times=1))
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
        await desk.give(desk.about(EditReply, post, text="new"))
        await desk.reaches(post, "edit sent")
    assert desk.slack_posts(place) == ["new"]
    assert len(desk.calls("chat.update")) == 2


async def test_a_text_in_parts_is_posted_in_order_and_resumed_after_a_death(desk: Desk) -> None:
    place = desk.slack_channel()
    text = "\n\n".join(f"{number} " + "word " * 500 for number in range(4))
    post, following = desk.post(place, text), desk.post(place, "after it")
    dying = DyingAt(desk, part=2)
    async with desk.dispatching(senders={Platform.SLACK: dying}):
        await desk.give(post, following)
        await dying.died.wait()
    async with desk.dispatching():
        receipt = await desk.reaches(post, "post sent")
        await desk.reaches(following, "post sent")
    posts = desk.slack_posts(place)
    assert [one.split()[0] for one in posts] == ["0", "1", "2", "3", "after"]
    assert all(len(one.encode()) <= 4000 for one in posts)
    assert list(receipt.message_keys) == desk.slack_keys(place)[:4]


async def test_an_edit_changes_the_number_of_parts(desk: Desk) -> None:
    place = desk.telegram_dialog()
    desk.telegram.set_rate_limits(None)
    long = "\n\n".join(f"{number} " + "x" * 3000 for number in range(3))
    post = desk.post(place, long)
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
        await desk.give(desk.about(EditReply, post, text="short"))
        shorter = await desk.reaches(post, "edit sent")
        assert desk.telegram_posts(place) == ["short"]
        await desk.give(desk.about(EditReply, post, text=long))
        await eventually(lambda: len(desk.telegram_posts(place)) == 3)
        longer = await desk.reaches(post, "edit sent")
        await desk.give(desk.about(DeleteReply, post))
        await desk.reaches(post, "delete sent")
    assert (len(shorter.message_keys), len(longer.message_keys)) == (1, 3)
    assert desk.telegram_posts(place) == []


class DyingAt(Stopped):
    """A sender whose process dies when it has posted one part of a text."""

    def __init__(self, desk: Desk, *, part: int) -> None:
        super().__init__(desk)
        self._part = part
        self.died = asyncio.Event()
        self.go_on.set()

    async def post(self, target: Target, content: Content) -> PostOutcome:
        outcome = await super().post(target, content)
        if target.part == self._part:
            self.died.set()
            raise RuntimeError("dies here")
        return outcome
