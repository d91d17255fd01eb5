"""Replies reach the chats, in order, with receipts for every step."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.errors import DataError
from chassis.outbox import unpack_headers
from contracts.chat import Person
from contracts.chat_replies_v1 import CancelReply, ConfirmReply, DeleteReply, EditReply, ResendReply
from contracts.keys import PersonKey, Platform
from sandbox.slack.faults import Fault
from tests.integration.notifier.conftest import Desk


async def test_a_reply_is_posted_in_the_thread_with_its_receipts(desk: Desk) -> None:
    place = desk.slack_channel()
    post = desk.post(
        place, "Have you **tried** `make`?", mentions=(Person(key=PersonKey("slack:U0SANDBOT"), name="Bob"),)
    )
    async with desk.dispatching():
        await desk.give(post)
        receipt = await desk.reaches(post, "post sent")
    assert await desk.states(post) == ["post queued", "post sending", "post sent"]
    assert desk.slack_posts(place) == ["<@U0SANDBOT> Have you *tried* `make`?"]
    channel = desk.slack.workspace.channel(place.channel.key.partition(":")[2])
    message = list(channel.messages.values())[-1]
    assert message.thread_ts == place.thread
    assert message.metadata == {
        "event_type": "okno_delivery",
        "event_payload": {"delivery_id": post.delivery_id, "part": 0},
    }
    assert receipt.message_keys == (f"{place.channel.key}:{message.ts}",)
    assert (receipt.thread, receipt.attempts, receipt.ticket_id) == (place.thread, 1, "tkt_1")


async def test_a_reply_arrives_in_a_telegram_dialog(desk: Desk) -> None:
    place = desk.telegram_dialog()
    post = desk.post(place, "Have you **tried** it?")
    async with desk.dispatching():
        await desk.give(post)
        receipt = await desk.reaches(post, "post sent")
    assert desk.telegram_posts(place) == ["Have you tried it?"]
    chat = desk.telegram.world.chat(5, 7700)
    assert chat is not None
    message = list(chat.messages.values())[-1]
    assert message.content["entities"] == [{"type": "bold", "offset": 9, "length": 5}]
    assert receipt.message_keys == (f"telegram:7700:5:{message.id}",)


async def test_replies_of_one_conversation_keep_their_order_and_one_call_at_a_time(desk: Desk) -> None:
    desk.slack.settings.rate_limits = False
    places = [desk.slack_channel(f"help-{number}") for number in range(4)]
    posts = {place.key: [desk.post(place, f"{number}") for number in range(6)] for place in places}
    mixed = [post for round_ in zip(*posts.values(), strict=True) for post in round_]
    async with desk.dispatching() as one, desk.dispatching() as another:
        assert one is not another
        await desk.give(*mixed[:10])
        await desk.give(*mixed[10:])
        for post in mixed:
            await desk.reaches(post, "post sent")
    for place in places:
        assert desk.slack_posts(place) == ["0", "1", "2", "3", "4", "5"]


async def test_only_the_owner_of_a_partition_sends(desk: Desk) -> None:
    mine, theirs = desk.post(desk.slack_channel("mine")), desk.post(desk.slack_channel("theirs"))
    async with desk.dispatching(partitions=(3,)) as dispatcher:
        await desk.give(theirs, partition=4)
        await desk.give(mine, partition=3)
        await desk.reaches(mine, "post sent")
        turn = await dispatcher.turn()
        assert (turn.leased, await desk.state(theirs)) == (0, "post queued")


async def test_a_conversation_that_has_to_wait_holds_up_no_other(desk: Desk) -> None:
    blocked, free = desk.slack_channel("blocked"), desk.slack_channel("free")
    channel = blocked.channel.key.partition(":")[2]
    desk.slack.faults.add(Fault("chat.postMessage", "api_error", error="service_unavailable", channel=channel))
    first, second, other = desk.post(blocked, "1"), desk.post(blocked, "2"), desk.post(free)
    async with desk.dispatching():
        await desk.give(first, second, other)
        await desk.reaches(other, "post sent")
        waiting = await desk.reaches(first, "post queued")
        assert waiting.error is not None
        assert (waiting.error.code, await desk.state(second)) == ("service_unavailable", "post queued")
        desk.slack.faults.clear()
        await desk.reaches(second, "post sent")
    assert desk.slack_posts(blocked) == ["1", "2"]


async def test_a_refusal_ends_the_delivery_with_a_cause_and_lets_the_next_one_go(desk: Desk) -> None:
    place = desk.slack_channel()
    desk.slack.faults.add(Fault("chat.postMessage", "api_error", error="restricted_action", times=1))
    first, second = desk.post(place, "1"), desk.post(place, "2")
    async with desk.dispatching():
        await desk.give(first, second)
        failed = await desk.reaches(first, "post failed")
        await desk.reaches(second, "post sent")
        assert failed.error is not None
        assert failed.error.code == "restricted_action"
        assert "administrators" in failed.error.text
        await desk.give(desk.about(ResendReply, first))
        await desk.reaches(first, "post sent")
    assert desk.slack_posts(place) == ["2", "1"]


async def test_an_instruction_that_comes_again_changes_nothing(desk: Desk) -> None:
    place = desk.slack_channel()
    post = desk.post(place)
    again = post.model_copy(update={"instruction_id": "ins_other"})
    async with desk.dispatching():
        await desk.give(post, post)
        await desk.give(post, again)
        await desk.reaches(post, "post sent")
        await desk.give(again, post)
    assert desk.slack_posts(place) == ["Try again"]
    assert await desk.states(post) == ["post queued", "post sending", "post sent"]


@pytest.mark.parametrize("seen", [{}, {"seen_version": 0, "conversation_id": "cnv_1"}], ids=["untold", "none seen"])
async def test_an_instruction_about_a_delivery_that_never_was_is_a_data_error(desk: Desk, seen: dict[str, Any]) -> None:
    post = desk.post(desk.slack_channel())
    with pytest.raises(DataError, match="EditReply"):
        await desk.give(desk.about(EditReply, post, text="x", **seen))


async def test_a_change_of_a_delivery_that_the_ledger_has_forgotten_fails_and_holds_nothing_up(desk: Desk) -> None:
    place = desk.slack_channel()
    old, new = desk.post(place), desk.post(place, "goes on")
    seen: dict[str, Any] = {"seen_version": 3, "conversation_id": old.conversation_id}
    edit = desk.about(EditReply, old, text="x", **seen)
    others = (desk.about(kind, old, **seen) for kind in (DeleteReply, ResendReply, ConfirmReply, CancelReply))
    async with desk.dispatching():
        await desk.give(edit, *others, new)
        await desk.reaches(new, "post sent")
    told = await desk.receipts(old.delivery_id)
    states = [f"{one.operation} {one.state}" for one in told]
    assert states == ["edit failed", "delete failed", "post failed", "post unknown", "post unknown"]
    assert {one.error.code for one in told if one.error} == {"delivery_forgotten"}
    assert [one.version for one in told] == [4, 5, 6, 7, 8]
    assert desk.slack_posts(place) == ["goes on"]


async def test_each_change_of_a_forgotten_delivery_is_told_whatever_its_sender_has_seen(desk: Desk) -> None:
    old = desk.post(desk.slack_channel())
    for kind, seen in ((EditReply, 3), (DeleteReply, 3), (ResendReply, 9), (DeleteReply, 4)):
        more = {"text": "x"} if kind is EditReply else {}
        await desk.give(desk.about(kind, old, seen_version=seen, conversation_id=old.conversation_id, **more))
    assert [one.version for one in await desk.receipts(old.delivery_id)] == [4, 5, 10, 11]


async def test_a_reply_to_a_platform_that_is_not_connected_fails(desk: Desk) -> None:
    post = desk.post(desk.telegram_dialog())
    senders = desk.senders()
    del senders[Platform.TELEGRAM]
    async with desk.dispatching(senders=senders):
        await desk.give(post)
        failed = await desk.reaches(post, "post failed")
    assert failed.error is not None
    assert failed.error.code == "not_connected"


async def test_nul_characters_and_empty_texts_harm_nothing(desk: Desk) -> None:
    place = desk.slack_channel()
    nul, empty, good = desk.post(place, "a\x00b"), desk.post(place, " \n "), desk.post(place, "good")
    async with desk.dispatching():
        await desk.give(nul, empty, good)
        await desk.reaches(good, "post sent")
        assert await desk.state(empty) == "post failed"
    assert desk.slack_posts(place) == ["a\ufffdb", "good"]


async def test_a_group_that_became_a_supergroup_gets_the_reply_there(desk: Desk) -> None:
    ada = desk.telegram.world.add_person("Ada", user_id=5)
    old = desk.telegram.actions.create_group("Group", creator=ada, kind="group")
    place = desk.telegram_place(old.id)
    new = desk.telegram.actions.migrate(old.id, by=ada)
    first, second = desk.post(place, "1"), desk.post(place, "2")
    async with desk.dispatching():
        await desk.give(first, second)
        receipt = await desk.reaches(first, "post sent")
        await desk.reaches(second, "post sent")
    assert desk.telegram_posts(desk.telegram_place(new.id)) == ["1", "2"]
    assert receipt.message_keys[0].startswith(f"telegram:7700:{new.id}:")
    assert receipt.channel_key == place.channel.key
    assert sum(call["arguments"].get("chat_id") == str(old.id) for call in desk.telegram.calls) == 1


async def test_the_reply_s_trace_goes_on_in_its_receipts(desk: Desk) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    post = desk.post(desk.slack_channel())
    async with desk.dispatching():
        await desk.give(post, traceparent=traceparent)
        await desk.reaches(post, "post sent")
    rows = await desk.database.pool.fetch("SELECT headers FROM outbox")
    assert {dict(unpack_headers(row["headers"]))["traceparent"] for row in rows} == {traceparent.encode()}
