"""A reaction to a post of ours may be applied before the receipt that names its message: another topic carries that."""

import asyncio
from typing import Any

import pytest

from chassis.consumer import Record
from contracts.base import RecordModel
from contracts.keys import MessageKey
from contracts.ticket_commands_v1 import MoveChannel, RecordAutomaticAnswer
from services.ticketing.worker import Applier
from tests.integration.ticketing.desk import NOW, Desk, common, place_message, record_of, slack_author
from tests.integration.ticketing.test_channels_and_workers import NEW, move
from tests.integration.ticketing.test_chat_changes import react
from tests.integration.ticketing.test_replies import PLACE, POSTED, receipt

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"
EYES = react(POSTED, "eyes", 70)
TAKEN_OFF = react(POSTED, "eyes", 80, added=False)
CHECK = react(POSTED, "white_check_mark", 90, person=slack_author("U2"))


async def answered(desk: Desk) -> tuple[dict[str, Any], RecordModel]:
    """A ticket with a reply, and the receipt that names the reply's message."""
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    return ticket, receipt(reply["id"], 1, "sent", message_keys=(POSTED,))


async def shown(desk: Desk, ticket: dict[str, Any]) -> list[str]:
    """The reactions of the ticket's last message."""
    return [one["name"] for one in (await desk.messages(ticket["id"]))[-1]["reactions"]]


async def waiting(desk: Desk) -> int:
    number: int = await desk.database.pool.fetchval("SELECT count(*) FROM early_reactions")
    return number


@pytest.mark.parametrize("together", [False, True], ids=["batch by batch", "in one batch"])
async def test_reactions_wait_for_the_receipt_of_their_message(desk: Desk, *, together: bool) -> None:
    ticket, sent = await answered(desk)
    if together:
        await desk.apply(TAKEN_OFF, CHECK, EYES, sent, sent)
    else:
        await desk.apply(TAKEN_OFF, CHECK)
        await desk.apply(EYES)
        assert await waiting(desk) == 3
        await desk.apply(sent)
    assert await shown(desk, ticket) == ["white_check_mark"]
    assert await waiting(desk) == 0
    changes = [entry["kind"] for entry in await desk.history(ticket["id"])]
    assert changes[-4:] == ["delivery_changed", "reaction_changed", "reaction_changed", "reaction_changed"]
    events = await desk.said("ticket.events.v1")
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    await desk.apply(EYES, sent)
    assert len(await desk.said("ticket.events.v1")) == len(events)


async def test_reactions_to_an_automatic_answer_wait_for_the_answer_too(desk: Desk) -> None:
    opening = place_message(PLACE, "prices?")
    answer = RecordAutomaticAnswer(
        **{**common("prices", PLACE.channel.key), "command_id": "prices#1"},
        reply_id="rpl_auto",
        place=PLACE,
        text="See the list",
        at=NOW,
    )
    await desk.apply(EYES)
    await desk.apply(receipt("rpl_auto", 2, "sent", message_keys=(POSTED,)))
    await desk.apply(opening, answer)
    (ticket,) = await desk.tickets()
    assert await shown(desk, ticket) == ["eyes"]
    assert await waiting(desk) == 0


async def test_a_reaction_under_the_channels_new_name_waits_too(desk: Desk) -> None:
    ticket, sent = await answered(desk)
    moved: MoveChannel = move()
    renamed = MessageKey(f"{NEW.key}:{POSTED.rpartition(':')[2]}")
    await desk.apply(moved)
    await desk.apply(react(renamed, "eyes", 70))
    await desk.apply(sent)
    assert await shown(desk, ticket) == ["eyes"]


@pytest.mark.parametrize("receipt_first", [True, False])
async def test_two_workers_do_not_let_reaction_and_receipt_pass_each_other_by(
    desk: Desk, *, receipt_first: bool
) -> None:
    ticket, sent = await answered(desk)
    pair = (sent, EYES) if receipt_first else (EYES, sent)
    first, second = map(record_of, pair)

    async def follow(record: Record) -> None:
        async with desk.database.transaction() as connection:
            await Applier(desk.clock)([record], connection)

    async with desk.database.transaction() as connection:
        await desk.applier([first], connection)
        following = asyncio.create_task(follow(second))
        async with asyncio.timeout(30):
            while not (following.done() or await connection.fetchval(WAITS)):
                await asyncio.sleep(0.01)
    await following
    assert await shown(desk, ticket) == ["eyes"]
    assert await waiting(desk) == 0
