"""What belongs together but comes on two topics or partitions, so to two workers at once: all orders end the same."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition

from chassis.positions import Claim, claim, create
from contracts.base import RecordModel
from contracts.keys import MessageKey, message_id_of, message_key, slack_channel
from contracts.ticket_commands_v1 import MoveChannel, RecordAutomaticAnswer
from services.ticketing.worker import CONSUMER, Applier
from tests.integration.ticketing.desk import NOW, Desk, common, key_at, later, place_message, record_of, slack_place
from tests.integration.ticketing.test_chat_changes import react, remove, revise
from tests.integration.ticketing.test_replies import PLACE, POSTED, receipt


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


async def test_a_reaction_and_the_receipt_that_names_its_post_in_any_order(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    for number, (together, reaction_first) in enumerate(itertools.product((False, True), repeat=2)):
        reply = await desk.reply(ticket["id"])
        post = MessageKey(f"{POSTED}{number}")
        both = react(post, "thumbsup", 1), receipt(reply["id"], 1, "sent", message_keys=(post,))
        first, second = both if reaction_first else reversed(both)
        if together:
            await at_once(desk, first, second)
        else:
            await desk.apply(first)
            await desk.apply(second)
    shown = (await desk.messages(ticket["id"]))[1:]
    assert [[one["name"] for one in message["reactions"]] for message in shown] == [["thumbsup"]] * 4
    assert await desk.database.pool.fetchval("SELECT count(*) FROM early_changes") == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_an_automatic_answer_its_receipt_and_a_reaction_to_it_in_any_order(
    desk: Desk, order: tuple[int, ...]
) -> None:
    ticket = await desk.opened(PLACE)
    three = answer(), receipt("rpl_auto", 1, "sent", message_keys=(POSTED,)), react(POSTED, "thumbsup", 1)
    first, second, third = (three[number] for number in order)
    await desk.apply(first)
    await at_once(desk, second, third)

    _, shown = await desk.messages(ticket["id"])
    assert (shown["delivery"]["state"], [one["name"] for one in shown["reactions"]]) == ("sent", ["thumbsup"])


async def test_changes_that_come_before_their_message_are_made_in_the_chats_order(desk: Desk) -> None:
    """As in a channel that got a new key: what comes under it is on another partition than what came before."""
    key = key_at(PLACE, later(1))
    early = remove(key, 9), react(key, "eyes", 8), revise(key, "third", 7), revise(key, "second", 6)
    await desk.apply(place_message(PLACE, "one"), *early)
    await desk.apply(place_message(slack_place("C9"), "elsewhere"))
    await desk.apply(place_message(PLACE, "first", key=key, at=later(1)))
    await desk.apply(*early)

    ticket = (await desk.tickets(sort="number"))[0]
    _, message = await desk.messages(ticket["id"])
    assert [former["text"] for former in message["revisions"]] == ["first", "second"]
    assert (message["text"], [one["name"] for one in message["reactions"]]) == ("third", ["eyes"])
    assert message["deleted_at"] is not None
    kinds = [entry["kind"] for entry in await desk.history(ticket["id"])]
    assert kinds[2:] == ["message_revised", "message_revised", "reaction_changed", "message_deleted"]
    outcomes = await desk.database.pool.fetch("SELECT outcome FROM commands WHERE outcome = 'early'")
    assert len(outcomes) == len(early)


async def test_reactions_of_one_second_are_made_as_they_stand_in_the_log(desk: Desk) -> None:
    """Telegram's times are whole seconds: set, taken back and set again."""
    key = key_at(PLACE, later(1))
    changes = [react(key, "eyes", 8), react(key, "eyes", 8, added=False), react(key, "eyes", 8)]
    early = [
        change.model_copy(
            update={
                "command_id": f"{change.command_id}:{number}",
                "decided": change.decided.model_copy(update={"offset": number}),
            }
        )
        for number, change in enumerate(changes)
    ]
    await desk.apply(place_message(PLACE, "one"), *reversed(early))
    await desk.apply(place_message(PLACE, "first", key=key, at=later(1)))

    (ticket,) = await desk.tickets()
    _, message = await desk.messages(ticket["id"])
    assert [one["name"] for one in message["reactions"]] == ["eyes"]
    kinds = [entry["kind"] for entry in await desk.history(ticket["id"])]
    assert kinds[2:] == ["reaction_changed"] * 3


@asynccontextmanager
async def batch_of(desk: Desk, partition: int, command: RecordModel) -> AsyncIterator[None]:
    """As the consumer does it: the position is locked first. Committed when the block ends."""
    async with desk.database.transaction() as connection:
        await claim(connection, CONSUMER, {TopicPartition("ticket.commands.v1", partition): Claim(0, 1)})
        await Applier(desk.clock)([record_of(command)], connection)
        yield


@pytest.mark.parametrize("message_first", [False, True])
async def test_a_message_and_an_edit_under_its_channels_new_key_at_the_same_moment(
    desk: Desk, *, message_first: bool
) -> None:
    for partition in range(2):
        await desk.database.pool.execute(
            "INSERT INTO positions (consumer, topic, partition, next_offset, cluster_id) VALUES ($1, $2, $3, 0, 'any')",
            CONSUMER, "ticket.commands.v1", partition,
        )  # fmt: skip
    message = place_message(PLACE, "one")
    edit = revise(message.message.message_key, "two").model_copy(update={"channel_key": slack_channel("C2")})
    batches = [(0, message), (1, edit)]
    first, second = batches if message_first else reversed(batches)

    async def other() -> None:
        async with batch_of(desk, *second):
            pass

    async with batch_of(desk, *first):
        task = asyncio.create_task(other())
        await desk.waits(task)
    await task
    (ticket,) = await desk.tickets()
    assert [one["text"] for one in await desk.messages(ticket["id"])] == ["two"]


async def test_an_early_change_keeps_its_own_trace(desk: Desk) -> None:
    key = key_at(PLACE, later(1))
    trace = f"00-{'5' * 32}-{'6' * 16}-00"
    async with desk.database.transaction() as connection:
        await desk.applier([record_of(revise(key, "two"), traceparent=trace)], connection)
    await desk.apply(place_message(PLACE, "one", key=key, at=later(1)))
    placed, revised = await desk.outbox("ticket.events.v1")
    assert trace[3:35] in (revised.traceparent or "")
    assert trace[3:35] not in (placed.traceparent or "")


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
    # What is there, the tickets' locks and the tickets; their update, all new rows, the outbox.
    assert await statements(desk, message) == 6
    assert await statements(desk, revise(message.message.message_key, "even more")) == 9
    another = place_message(PLACE, "and", at=later(2))
    assert await statements(desk, another, revise(another.message.message_key, "and more")) == 8
    # And the message, twice.
    assert await statements(desk, receipt(reply["id"], 1, "sending")) == 8
    # And the locks, and what waited for them.
    assert await statements(desk, answer()) == 6 + 1 + 2


C1, C2 = slack_channel("C1"), slack_channel("C2")


def move() -> MoveChannel:
    channel = PLACE.channel.model_copy(update={"key": C2})
    return MoveChannel(**common("moved", C1), channel=channel)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_message_its_channels_move_and_changes_under_the_new_key_in_any_order(
    desk: Desk, order: tuple[int, ...]
) -> None:
    message = place_message(slack_place("C1"), "first")
    key = message_key(C2, message_id_of(message.message.message_key))
    changes = [
        one.model_copy(update={"channel_key": C2})
        for one in (react(key, "eyes", 8), revise(key, "second", 7), remove(key, 9))
    ]
    three: list[list[RecordModel]] = [[message], [move()], list(changes)]
    for number in order:
        await desk.apply(*three[number])
    (ticket,) = await desk.tickets()
    (shown,) = await desk.messages(ticket["id"])
    assert (shown["text"], [one["name"] for one in shown["reactions"]]) == ("second", ["eyes"])
    assert shown["deleted_at"] is not None
    assert await desk.database.pool.fetchval("SELECT count(*) FROM early_changes") == 0


@pytest.mark.parametrize("moved_before", [False, True])
@pytest.mark.parametrize("edit_first", [False, True])
async def test_an_edit_under_the_new_key_passes_neither_the_move_nor_a_message_under_the_old_one(
    desk: Desk, *, moved_before: bool, edit_first: bool
) -> None:
    message = place_message(slack_place("C1"), "one")
    await desk.apply(move() if moved_before else message)
    other = message if moved_before else move()
    key = message_key(C2, message_id_of(message.message.message_key))
    edit = revise(key, "two").model_copy(update={"channel_key": C2})
    async with desk.database.transaction() as connection:
        await create(connection, CONSUMER, {TopicPartition("ticket.commands.v1", n): 0 for n in range(2)}, "any")
    batches: list[tuple[int, RecordModel]] = [(0, other), (1, edit)]
    first, second = reversed(batches) if edit_first else batches

    async def follow() -> None:
        async with batch_of(desk, *second):
            pass

    async with batch_of(desk, *first):
        task = asyncio.create_task(follow())
        await desk.waits(task)
    await task
    (ticket,) = await desk.tickets()
    assert [one["text"] for one in await desk.messages(ticket["id"])] == ["two"]
