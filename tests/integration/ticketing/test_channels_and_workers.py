"""Channels that move, two workers at once, what is forgotten in time."""

import asyncio
import random

import asyncpg
import pytest

from contracts.chat import Channel, ChannelType
from contracts.chat_replies_v1 import CancelReply, DeleteReply, EditReply, PostReply
from contracts.keys import Platform, message_key, slack_channel
from contracts.ticket_commands_v1 import MoveChannel, ReviseMessage
from services.ticketing.store.saving import Conflict
from services.ticketing.worker import Applier
from tests.integration.ticketing.desk import (
    Desk,
    common,
    later,
    place_message,
    record_of,
    slack_place,
    telegram_place,
)

NEW = Channel(key=slack_channel("C2"), platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC)


def move() -> MoveChannel:
    return MoveChannel(**common("slack:C1:moved:slack:C2", slack_channel("C1")), channel=NEW)


async def test_a_moved_channel_keeps_its_conversations(desk: Desk) -> None:
    old_place, new_place = slack_place("C1"), slack_place("C2")
    first = place_message(old_place)
    await desk.apply(first, move(), move())
    (ticket,) = await desk.tickets()
    assert ticket["channel"]["key"] == "slack:C2"

    # Named either way, the thread is the same place and the message the same message.
    edited = message_key(NEW.key, first.message.message_key.rpartition(":")[2])
    revise = ReviseMessage(**common("edit", NEW.key), message_key=edited, text="better", edited_at=later(3))
    await desk.apply(
        place_message(new_place, "new name", at=later(1)), place_message(old_place, "old", at=later(2)), revise
    )
    (ticket,) = await desk.tickets()
    assert [one["text"] for one in await desk.messages(ticket["id"])] == ["better", "new name", "old"]
    assert len(await desk.tickets(channel="slack:C1")) == len(await desk.tickets(channel="slack:C2")) == 1
    await desk.reply(ticket["id"])
    (post,) = await desk.said("chat.replies.v1")
    assert (post.record_key, post.moved_to, post.place.channel.key) == ("slack:C1", "slack:C2", "slack:C2")


async def test_a_reply_that_waits_for_a_move_goes_to_the_new_channel(desk: Desk) -> None:
    ticket = await desk.opened(slack_place("C1"))
    async with desk.in_hand(move()):
        writing = asyncio.create_task(desk.reply(ticket["id"]))
        await desk.waits(writing)
        assert not writing.done()
    await writing
    (post,) = await desk.said("chat.replies.v1")
    assert (post.record_key, post.moved_to, post.place.channel.key) == ("slack:C1", "slack:C2", "slack:C2")
    assert (await desk.ticket(ticket["id"]))["channel"]["key"] == "slack:C2"


async def test_a_batch_that_waits_for_a_ticket_reads_its_conversations_afterwards(desk: Desk) -> None:
    """Such as for an erasure, which takes a name out of them: the batch must not publish it again."""
    first = place_message(slack_place("C1"))
    await desk.apply(first)
    edit = ReviseMessage(
        **common("edit", slack_channel("C1")),
        message_key=first.message.message_key,
        text="better",
        edited_at=later(1),
    )
    async with desk.database.transaction() as connection:
        await connection.execute("SELECT FROM tickets FOR NO KEY UPDATE")
        await connection.execute("UPDATE conversations SET place = place #- '{channel,name}'")
        applying = asyncio.create_task(desk.apply(edit))
        await desk.waits(applying)
        assert not applying.done()
    await applying
    opened, revised = await desk.said("ticket.events.v1")
    assert [one.ticket.conversations[0].place.channel.name for one in (opened, revised)] == ["course-1", None]


async def test_a_conversation_s_instructions_keep_one_key_over_every_move(desk: Desk) -> None:
    """So Kafka keeps their order: nothing can overtake the post that it is about, nor a reply the one before it."""
    ticket = await desk.opened(slack_place("C1"))
    posted = await desk.reply(ticket["id"], "before the move")
    await desk.apply(move())
    path = f"/v1/tickets/{ticket['id']}/replies"
    assert (await desk.http.patch(f"{path}/{posted['id']}", json={"text": "better"})).status_code == 200
    await desk.apply(MoveChannel(**common("again", NEW.key), channel=NEW.model_copy(update={"key": "slack:C3"})))
    after = await desk.reply(ticket["id"], "after two moves")
    assert (await desk.http.delete(f"{path}/{posted['id']}")).status_code == 200
    assert (await desk.http.post(f"{path}/{after['id']}/cancel")).status_code == 200

    said = await desk.said("chat.replies.v1")
    assert [type(one) for one in said] == [PostReply, EditReply, PostReply, DeleteReply, CancelReply]
    assert {one.record_key for one in said} == {"slack:C1"}
    assert [one.moved_to for one in said] == [None, "slack:C2", "slack:C3", "slack:C3", "slack:C3"]
    (conversation,) = (await desk.said("ticket.events.v1"))[-1].ticket.conversations
    assert (conversation.replies_key, conversation.place.channel.key) == ("slack:C1", "slack:C3")


async def test_a_conversation_begun_after_the_move_has_the_new_key(desk: Desk) -> None:
    await desk.apply(place_message(slack_place("C1")), move())
    ticket = await desk.opened(slack_place("C2", "1716300999.000100"), at=later(9))
    await desk.reply(ticket["id"])
    (post,) = await desk.said("chat.replies.v1")
    assert (post.record_key, post.moved_to) == ("slack:C2", None)


async def test_what_arrives_late_under_the_old_name_is_answered_under_the_new_one(desk: Desk) -> None:
    await desk.apply(place_message(slack_place("C1")), move())
    ticket = await desk.opened(slack_place("C1", "1716300999.000100"), at=later(9))
    assert ticket["channel"]["key"] == "slack:C2"
    await desk.reply(ticket["id"])
    (post,) = await desk.said("chat.replies.v1")
    assert (post.record_key, post.moved_to, post.place.channel.key) == ("slack:C1", "slack:C2", "slack:C2")


async def test_a_group_s_conversation_goes_on_in_its_supergroup_under_its_own_key(desk: Desk) -> None:
    group, supergroup = telegram_place(-5), telegram_place(-1005)
    ticket = await desk.opened(group)
    await desk.apply(MoveChannel(**common("migrated", group.channel.key), channel=supergroup.channel))
    await desk.reply(ticket["id"])
    (post,) = await desk.said("chat.replies.v1")
    assert (post.record_key, post.moved_to) == (group.channel.key, supergroup.channel.key)
    assert post.place.channel.key == supergroup.channel.key


@pytest.mark.parametrize("together", [False, True], ids=["batch by batch", "in one batch"])
async def test_what_was_said_under_the_new_name_may_come_before_the_move(desk: Desk, *, together: bool) -> None:
    old_place, new_place = slack_place("C1"), slack_place("C2")
    early, late = place_message(new_place, "early", at=later(2)), place_message(new_place, "late", at=later(3))
    await desk.apply(place_message(old_place, "first"))
    if together:
        await desk.apply(early, move(), late)
    else:
        await desk.apply(early)
        await desk.apply(move())
        await desk.apply(late)

    newer, older = await desk.tickets()
    assert {ticket["channel"]["key"] for ticket in (newer, older)} == {"slack:C2"}
    assert [one["text"] for one in await desk.messages(newer["id"])] == ["early", "late"]
    assert [one["text"] for one in await desk.messages(older["id"])] == ["first"]
    for ticket in (older, newer):
        await desk.reply(ticket["id"])
    posts = await desk.said("chat.replies.v1")
    assert [(post.record_key, post.moved_to) for post in posts] == [("slack:C1", "slack:C2"), ("slack:C2", None)]


async def test_two_workers_open_one_ticket_a_place(desk: Desk) -> None:
    places = [telegram_place(chat) for chat in range(30)]
    random.seed(7)

    async def worker(number: int) -> None:
        applier = Applier(desk.clock)
        for turn in range(8):
            chosen = random.sample(places, 20)
            records = [record_of(place_message(place, at=later(100 * number + turn))) for place in chosen]
            while True:
                try:
                    async with desk.database.transaction() as connection:
                        await applier(records, connection)
                    break
                except (Conflict, asyncpg.DeadlockDetectedError):
                    await asyncio.sleep(0)  # and try again, as the consumer does after a pause

    await asyncio.gather(*(worker(number) for number in range(4)))

    tickets = await desk.tickets(limit=100)
    assert len(tickets) == len({ticket["channel"]["key"] for ticket in tickets}) == 30
    total = await desk.database.pool.fetchval("SELECT count(*) FROM messages")
    assert total == sum(ticket["version"] for ticket in tickets) == 4 * 8 * 20
    gaps = await desk.database.pool.fetchval(
        "SELECT count(*) FROM (SELECT max(version) = count(*) AS fine FROM history GROUP BY ticket_id) g WHERE NOT fine"
    )
    assert gaps == 0


async def test_events_of_a_ticket_wait_in_the_outbox_in_the_order_of_versions(desk: Desk) -> None:
    place = slack_place()
    ticket = await desk.opened(place)

    async def write(number: int) -> None:
        await desk.reply(ticket["id"], f"{number}")

    await asyncio.gather(*(write(number) for number in range(10)))
    events = await desk.said("ticket.events.v1")
    assert [event.version for event in events] == list(range(1, 12))
    shown = [one["text"] for one in await desk.messages(ticket["id"])][1:]
    assert sorted(shown) == sorted(str(number) for number in range(10))
