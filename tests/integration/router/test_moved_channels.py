"""A channel that gets another key: what is said under either key is about the same messages, in any order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition

from chassis.positions import Claim, claim, create
from contracts.base import RecordModel
from contracts.chat_events_v1 import ChatEvent
from contracts.ticket_commands_v1 import MoveChannel, PlaceMessage, RecordReaction, RemoveMessage, ReviseMessage
from services.router.worker import CONSUMER, EVENTS
from tests.integration.router.alone import Router, receipt
from tests.unit.router.makers import ALICE, BOB, COURSE, OURS, delete, edit, moved, post, react, renamed

NEW = renamed(COURSE, "slack:C99")
QUESTION = post(ALICE, 0)
MOVE = moved(COURSE, NEW, 50)
UNDER_NEW = post(ALICE, 0, channel=NEW)
CHANGES = (edit(UNDER_NEW, 20, "second"), delete(UNDER_NEW, 40), react(UNDER_NEW, 30, BOB))
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pg_blocking_pids(pid) <> '{}'"


async def kept(router: Router) -> int:
    number: int = await router.database.pool.fetchval("SELECT count(*) FROM early_changes")
    return number


@pytest.mark.parametrize("together", [False, True], ids=["batch by batch", "in one batch"])
async def test_a_move_brings_what_was_said_of_its_messages_under_the_new_key(router: Router, *, together: bool) -> None:
    await router.place(QUESTION)
    if together:
        sent = await router.take(*CHANGES, MOVE)
    else:
        assert await router.take(*CHANGES) == []
        sent = await router.take(MOVE)
    assert [type(one) for one in sent] == [MoveChannel, ReviseMessage, RecordReaction, RemoveMessage]
    changes = [one for one in sent if isinstance(one, (ReviseMessage, RecordReaction, RemoveMessage))]
    assert {one.message_key for one in changes} == {QUESTION.message_key}
    assert {one.event_id for one in changes} == {one.record_id for one in CHANGES}
    assert await kept(router) == 0
    assert await router.take(*CHANGES, MOVE) == []
    assert await router.rule(edit(UNDER_NEW, 60, "second")) == "same_content"


async def test_a_move_brings_reactions_to_a_post_of_ours(router: Router) -> None:
    opened = await router.place(QUESTION)
    ours = post(OURS, 10)
    await router.take(receipt(ours.message_key, opened.place.key, COURSE.key))
    await router.take(react(post(OURS, 10, channel=NEW), 30, BOB))
    _, reaction = await router.take(MOVE)
    assert isinstance(reaction, RecordReaction)
    assert reaction.message_key == ours.message_key


async def test_what_is_kept_for_other_messages_stays_kept(router: Router) -> None:
    await router.place(QUESTION)
    await router.take(edit(post(BOB, 10, channel=NEW), 20, "of a message that hasn't come"))
    assert [type(one) for one in await router.take(MOVE)] == [MoveChannel]
    sent = await router.take(post(BOB, 10))
    assert [type(one) for one in sent] == [PlaceMessage, ReviseMessage]


@asynccontextmanager
async def batch_of(router: Router, partition: int, event: ChatEvent) -> AsyncIterator[None]:
    """As the consumer does it: the position is locked first. Committed when the block ends."""
    async with router.database.transaction() as connection:
        await claim(connection, CONSUMER, {TopicPartition(EVENTS, partition): Claim(0, 1)})
        await router.worker.handle([router.record(event, partition)], connection)
        yield


async def at_once(router: Router, first: ChatEvent, second: ChatEvent) -> list[RecordModel]:
    """Two processes: the second takes its event before the first has committed, unless it has to wait."""
    async with router.database.transaction() as connection:
        await create(connection, CONSUMER, {TopicPartition(EVENTS, number): 0 for number in range(2)}, "any")
    other = Router(router.database)

    async def follow() -> None:
        async with batch_of(other, 1, second):
            pass

    async with batch_of(router, 0, first):
        following = asyncio.create_task(follow())
        async with asyncio.timeout(30):
            while not (following.done() or await router.database.pool.fetchval(WAITS)):
                await asyncio.sleep(0.01)
    await following
    return await router.sent()


@pytest.mark.parametrize("order", list(itertools.permutations((MOVE, CHANGES[0]))), ids=["move first", "edit first"])
async def test_a_move_and_an_edit_under_the_new_key_at_once(router: Router, order: tuple[ChatEvent, ChatEvent]) -> None:
    await router.place(QUESTION)
    sent = await at_once(router, *order)
    assert [type(one) for one in sent] == [MoveChannel, ReviseMessage]
    assert await kept(router) == 0


@pytest.mark.parametrize("change", CHANGES, ids=["edit", "deletion", "reaction"])
@pytest.mark.parametrize("post_first", [True, False])
async def test_a_late_post_under_the_old_key_and_a_change_under_the_new_one_at_once(
    router: Router, change: ChatEvent, *, post_first: bool
) -> None:
    await router.take(MOVE)
    sent = await at_once(router, *((QUESTION, change) if post_first else (change, QUESTION)))
    placed, changed = sent
    assert isinstance(placed, PlaceMessage)
    assert isinstance(changed, (ReviseMessage, RecordReaction, RemoveMessage))
    assert await kept(router) == 0
