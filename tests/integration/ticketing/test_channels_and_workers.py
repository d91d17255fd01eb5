"""Channels that move, two workers at once, what is forgotten in time."""

import asyncio
import random

import asyncpg
import pytest

from contracts.chat import Channel, ChannelType
from contracts.keys import Platform, message_key, slack_channel
from contracts.ticket_commands_v1 import MoveChannel, ReviseMessage
from services.ticketing.store.saving import Conflict
from services.ticketing.store.trimming import trim
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
    assert (post.channel_key, post.place.channel.key) == ("slack:C2", "slack:C2")


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
    assert {post.channel_key for post in await desk.said("chat.replies.v1")} == {"slack:C2"}


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


async def test_what_can_not_come_again_is_forgotten(desk: Desk) -> None:
    await desk.apply(place_message(slack_place()))
    async with desk.database.transaction() as connection:
        assert not await trim(connection, later(29 * 86400))
    assert await desk.database.pool.fetchval("SELECT count(*) FROM commands") == 1
    async with desk.database.transaction() as connection:
        assert not await trim(connection, later(30 * 86400 + 1))
    assert await desk.database.pool.fetchval("SELECT count(*) FROM commands") == 0
