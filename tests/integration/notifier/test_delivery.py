"""Replies reach the chats, in order, with receipts for every step."""

from __future__ import annotations

from contracts.chat import Person
from contracts.keys import PersonKey
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
