"""What belongs together but comes on two topics, so to two workers at the same moment: both orders end the same."""

import asyncio

import pytest

from contracts.base import RecordModel
from contracts.keys import MessageKey
from contracts.ticket_commands_v1 import RecordAutomaticAnswer
from services.ticketing.worker import Applier
from tests.integration.ticketing.desk import NOW, Desk, common, later, place_message, record_of
from tests.integration.ticketing.test_replies import PLACE, receipt

POSTED = MessageKey("slack:C1:1795435260.000200")


def answer(reply_id: str = "rpl_auto") -> RecordAutomaticAnswer:
    return RecordAutomaticAnswer(
        **common(f"asked for {reply_id}", PLACE.channel.key),
        reply_id=reply_id,
        place=PLACE,
        text="See the list",
        at=NOW,
    )


async def at_once(desk: Desk, first: RecordModel, second: RecordModel) -> None:
    """Two workers: the second applies its batch before the first has committed, unless it has to wait."""
    async with desk.in_hand(first):
        other = asyncio.create_task(desk.apply(second))
        await desk.waits(other)
    await other


@pytest.mark.parametrize("answer_first", [False, True])
async def test_an_answer_and_its_last_receipt_at_the_same_moment(desk: Desk, *, answer_first: bool) -> None:
    ticket = await desk.opened(PLACE)
    await desk.apply(receipt("rpl_auto", 1, "sending"))
    last = receipt("rpl_auto", 2, "sent", message_keys=(POSTED,))
    await at_once(desk, *((answer(), last) if answer_first else (last, answer())))

    _, shown = await desk.messages(ticket["id"])
    assert (shown["delivery"]["state"], shown["delivery"]["message_key"]) == ("sent", POSTED)
    assert await desk.database.pool.fetchval("SELECT count(*) FROM early_receipts") == 0


async def test_two_early_receipts_at_the_same_moment_leave_the_later_one(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    await at_once(desk, receipt("rpl_auto", 2, "sent"), receipt("rpl_auto", 1, "sending"))
    await desk.apply(answer())
    assert (await desk.messages(ticket["id"]))[1]["delivery"]["state"] == "sent"


async def statements(desk: Desk, *models: RecordModel) -> int:
    """How many round trips a batch takes."""
    asked: list[object] = []
    async with desk.database.transaction() as connection:
        with connection.query_logger(asked.append):
            await Applier(desk.clock)([record_of(one, offset=i) for i, one in enumerate(models)], connection)
    return len(asked)


async def test_only_what_waits_for_another_topic_costs_round_trips(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    message = place_message(PLACE, "more", at=later(1))
    # What is there, the tickets; the tickets' update, all new rows, the outbox.
    assert await statements(desk, message) == 5
    # And the message, twice.
    assert await statements(desk, receipt(reply["id"], 1, "sending")) == 7
    # And the locks, and what waited for them.
    assert await statements(desk, answer()) == 5 + 1 + 2
