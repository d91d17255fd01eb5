"""What is said about a post of ours before its receipt tells the router whose it is."""

from __future__ import annotations

import asyncio

import pytest

from contracts import ids
from contracts.chat import Channel
from contracts.chat_events_v1 import MessagePosted
from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryState
from contracts.ticket_commands_v1 import PlaceMessage, RecordReaction
from services.router.worker import lane_of
from tests.integration.router.alone import Router, receipt
from tests.integration.router.conftest import RouterBench
from tests.unit.router.makers import ALICE, BOB, COURSE, GROUP, OURS, at, moved, post, react, renamed

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"
SENDING, SENT, UNKNOWN = DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN
QUESTION = post(ALICE, 0, channel=GROUP)
ANSWER = post(OURS, 600, "we look at it", GROUP)
THANKS = post(BOB, 900, "thanks", GROUP, reply_to=ANSWER.message_key, our_post_at=ANSWER.occurred_at)


async def conversation(router: Router, question: MessagePosted = QUESTION) -> str:
    opened = await router.place(question)
    assert opened.open is not None
    return opened.open.conversation_id


async def kept(router: Router) -> int:
    number: int = await router.database.pool.fetchval("SELECT count(*) FROM early_changes")
    return number


# --- reactions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", [COURSE, GROUP], ids=["slack", "telegram"])
async def test_a_reaction_waits_for_the_receipt_that_names_its_message(router: Router, channel: Channel) -> None:
    conversation_id = await conversation(router, post(ALICE, 0, channel=channel))
    ours = post(OURS, 60, "we look at it", channel)
    eyes, gone = react(ours, 70), react(ours, 80, added=False)
    assert await router.take(gone, eyes) == []
    sent = await router.take(receipt(ours.message_key, conversation_id, channel.key))
    assert [(type(one), one.record_id) for one in sent] == [
        (RecordReaction, ids.command(eyes.record_id, 0)),
        (RecordReaction, ids.command(gone.record_id, 0)),
    ]
    assert await kept(router) == 0
    assert await router.take(receipt(ours.message_key, conversation_id, channel.key, version=3)) == []


async def test_reactions_of_one_second_wait_in_their_order(router: Router) -> None:
    """Telegram's times are whole seconds; as texts, the ids stand in another order."""
    conversation_id = await conversation(router)
    events = [
        react(ANSWER, 610, added=number != 11).model_copy(update={"update_id": number}) for number in (10, 11, 12)
    ]
    assert await router.take(*events) == []
    sent = await router.take(receipt(ANSWER.message_key, conversation_id, GROUP.key))
    assert [one.record_id for one in sent] == [ids.command(event.record_id, 0) for event in events]


@pytest.mark.parametrize("reacted_first", [True, False], ids=["before the echo", "after the echo"])
async def test_an_echo_does_not_tell_whose_our_post_is(router: Router, *, reacted_first: bool) -> None:
    conversation_id = await conversation(router, post(ALICE, 0))
    echo = post(OURS, 60, "we look at it", thread=0)
    for event in (react(echo, 70), echo) if reacted_first else (echo, react(echo, 70)):
        assert await router.take(event) == []
    (sent,) = await router.take(receipt(echo.message_key, conversation_id, COURSE.key, thread="1"))
    assert isinstance(sent, RecordReaction)


async def test_a_kept_reaction_says_where_it_was_decided_and_leaves_by_the_receipts_lane(router: Router) -> None:
    conversation_id = await conversation(router)
    event = router.record(react(ANSWER, 610), 5)
    named = router.record(receipt(ANSWER.message_key, conversation_id), 7)
    async with router.database.transaction() as connection:
        await router.worker.handle([event], connection)
        await router.worker.handle([named], connection)
    lanes = await router.database.pool.fetch("SELECT lane FROM outbox")
    assert [row["lane"] for row in lanes] == [lane_of("chat.receipts.v1", 7)]
    (sent,) = await router.sent()
    assert isinstance(sent, RecordReaction)
    assert (sent.decided.partition, sent.decided.offset) == (5, event.offset)
    assert (sent.decided.rule, sent.at, sent.channel_key) == ("reaction", at(610), GROUP.key)


async def test_a_reaction_under_the_channels_new_id_waits_for_a_receipt_under_the_old(router: Router) -> None:
    conversation_id = await conversation(router, post(ALICE, 0))
    new = renamed(COURSE, "slack:C99")
    await router.take(moved(COURSE, new, 10))
    await router.take(react(post(OURS, 60, channel=new), 70))
    named = post(OURS, 60)
    (sent,) = await router.take(receipt(named.message_key, conversation_id, COURSE.key))
    assert isinstance(sent, RecordReaction)
    assert (sent.message_key, sent.channel_key) == (named.message_key, new.key)


@pytest.mark.parametrize("receipt_first", [True, False])
async def test_two_processes_do_not_let_reaction_and_receipt_pass_each_other_by(
    router: Router, *, receipt_first: bool
) -> None:
    conversation_id = await conversation(router)
    records = [router.record(react(ANSWER, 610), 0), router.record(receipt(ANSWER.message_key, conversation_id), 0)]
    first, second = reversed(records) if receipt_first else records
    other = Router(router.database)

    async def follow() -> None:
        async with router.database.transaction() as connection:
            await other.worker.handle([second], connection)

    async with router.database.transaction() as connection:
        await router.worker.handle([first], connection)
        following = asyncio.create_task(follow())
        async with asyncio.timeout(30):
            while not (following.done() or await connection.fetchval(WAITS)):
                await asyncio.sleep(0.01)
    await following
    (sent,) = await router.sent()
    assert isinstance(sent, RecordReaction)
    assert await kept(router) == 0


async def test_a_reaction_before_its_receipt_reaches_ticketings_topic(bench: RouterBench) -> None:
    opened = ids.conversation(f"{GROUP.key}/{QUESTION.message_key.rpartition(':')[2]}", QUESTION.message_key)
    async with bench.router():
        await bench.send(QUESTION, react(ANSWER, 610))
        await bench.settled()
        await bench.send(receipt(ANSWER.message_key, opened))
        await bench.settled()
        await bench.until(bench.outbox_published)
    commands = await bench.published("ticket.commands.v1")
    assert [type(one) for one in commands] == [PlaceMessage, RecordReaction]


# --- replies in a plain group -------------------------------------------------------------------------------------


async def test_a_reply_decided_before_the_receipt_belongs_where_we_were_posting(router: Router) -> None:
    opened = await router.place(QUESTION)
    assert opened.open is not None
    conversation_id = opened.open.conversation_id
    await router.take(receipt(None, conversation_id, state=SENDING, version=2, seconds=599))
    reply = await router.place(THANKS)
    assert (reply.decided.rule, reply.place) == ("append_reply_to_unnamed", opened.place)
    await router.take(receipt(ANSWER.message_key, conversation_id, version=3, seconds=601))
    later = post(BOB, 9000, "one more", GROUP, reply_to=ANSWER.message_key, our_post_at=ANSWER.occurred_at)
    assert (await router.place(later)).decided.rule == "append_reply"


@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_reply_to_a_post_that_nobody_will_ever_name_belongs_there_too(
    router: Router, *, confirmed: bool
) -> None:
    conversation_id = await conversation(router)
    await router.take(
        receipt(None, conversation_id, state=SENDING, version=2, seconds=590),
        receipt(None, conversation_id, state=UNKNOWN, version=3, seconds=620),
    )
    if confirmed:
        await router.take(receipt(None, conversation_id, version=4, seconds=7200))
    assert await router.rule(THANKS) == "append_reply_to_unnamed"
    long_after = post(BOB, 9000, "?", GROUP, reply_to=post(OURS, 7200, "x", GROUP).message_key, our_post_at=at(7200))
    assert await router.rule(long_after) == "open"


async def test_a_late_copy_of_an_earlier_receipt_takes_no_name_away(router: Router) -> None:
    conversation_id = await conversation(router)
    sending = receipt(None, conversation_id, state=SENDING, version=2, seconds=599)
    other = post(OURS, 598, "sent by somebody else with our token", GROUP)
    await router.take(sending, receipt(ANSWER.message_key, conversation_id, version=3, seconds=601), sending)
    await router.take(sending)
    reply = post(BOB, 900, "thanks", GROUP, reply_to=other.message_key, our_post_at=other.occurred_at)
    assert await router.rule(reply) == "open"


async def test_where_two_conversations_may_be_meant_the_reply_opens_a_ticket(router: Router) -> None:
    first = await conversation(router)
    second = await conversation(router, post(BOB, 300, channel=GROUP))
    await router.take(
        receipt(None, first, state=SENDING, seconds=599, delivery="rpl_1"),
        receipt(None, second, state=SENDING, seconds=599, delivery="rpl_2"),
    )
    assert await router.rule(THANKS) == "open"


async def test_posts_in_threads_are_not_remembered(router: Router) -> None:
    conversation_id = await conversation(router, post(ALICE, 0))
    thread: list[DeliveryChanged] = [
        receipt(None, conversation_id, COURSE.key, SENDING, thread="1.1"),
        receipt(post(OURS, 60).message_key, conversation_id, COURSE.key, SENT, version=3, thread="1.1"),
    ]
    await router.take(*thread)
    assert await router.database.pool.fetchval("SELECT count(*) FROM posts") == 0
