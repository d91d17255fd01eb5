"""The view in PostgreSQL: what one batch wrote the next one knows, whoever wrote it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from chassis.database import Database
from chassis.migrations import migrate
from chassis.records import Record
from contracts import ids
from contracts.base import RecordModel
from contracts.chat import Author, Channel
from contracts.chat_events_v1 import ChatEvent, MessagePosted
from contracts.chat_profiles_v1 import ChannelProfile
from contracts.desk_policy_v1 import PolicyPublished
from contracts.desk_staff_v1 import StaffIdentity, StaffRole
from contracts.keys import ChannelKey, MessageKey, PersonKey, message_id_of, message_key
from contracts.ticket_commands_v1 import PlaceMessage, RecordReaction, RemoveMessage, ReviseMessage
from contracts.ticket_events_v1 import (
    Actor,
    ActorKind,
    Cause,
    ChangeKind,
    Conversation,
    Priority,
    Requester,
    Status,
    TicketChanged,
    TicketState,
)
from services.router.bootstrap import FOLDERS
from tests.integration.router.alone import Router, receipt
from tests.unit.router.makers import (
    ALICE,
    BOB,
    COURSE,
    DIALOG,
    FORUM,
    GROUP,
    MENTOR,
    NOW,
    OTHER_BOT,
    OURS,
    at,
    delete,
    edit,
    moved,
    policy,
    post,
    react,
    renamed,
)

QUESTION = post(ALICE, 0)
HOUR = 3600


def changed(
    opened: PlaceMessage,
    version: int = 1,
    status: Status = Status.NEW,
    *,
    number: int = 1,
    ended: datetime | None = None,
    heard: datetime | None = None,
) -> TicketChanged:
    """What ticketing says of the ticket that a command opened."""
    assert opened.open is not None
    state = TicketState(
        id=opened.open.ticket_id,
        number=number,
        subject="a lesson",
        status=status,
        priority=Priority.NORMAL,
        queue="support",
        requester=Requester(id="con_1", key=opened.message.author.key),
        version=version,
        revision=1,
        created_at=NOW,
        updated_at=NOW,
        place_key=opened.place.key,
        conversations=(Conversation(id=opened.open.conversation_id, place=opened.place),),
        ended_at=ended,
        last_customer_message_at=heard or opened.message.sent_at,
    )
    return TicketChanged(
        ticket_id=state.id,
        version=version,
        kind=ChangeKind.UPDATED,
        at=at(version),
        cause=Cause(kind="command", id="c", actor=Actor(kind=ActorKind.SYSTEM)),
        ticket=state,
    )


def staff(person: Author, *, active: bool = True, version: int = 1, agent: str = "agt_mentor") -> StaffIdentity:
    return StaffIdentity(
        identity=person.key,
        agent_id=agent,
        name="Mentor",
        role=StaffRole.MENTOR,
        active=active,
        version=version,
        updated_at=NOW,
    )


def published(version: int, **document: Any) -> PolicyPublished:
    return PolicyPublished(version=version, document=policy(**document).document, applied_at=NOW, applied_by="lead")


async def test_a_thread_is_known_in_the_next_batch(router: Router) -> None:
    first = await router.place(QUESTION)
    second = await router.place(post(BOB, 600, thread=0))
    assert second.place == first.place
    assert second.ticket_id == first.ticket_id


async def test_a_burst_is_continued_over_batches_and_its_threads_are_one_place(router: Router) -> None:
    first = await router.place(QUESTION)
    second = await router.place(post(ALICE, 100))
    assert (second.decided.rule, second.place) == ("continue", first.place)
    below = await router.place(post(BOB, 999, thread=100))
    assert (below.decided.rule, below.place) == ("append_thread", first.place)


async def test_early_changes_wait_for_their_message(router: Router) -> None:
    assert await router.take(edit(QUESTION, 20, "third")) == []
    assert await router.take(edit(QUESTION, 10, "second")) == []
    assert await router.take(delete(QUESTION, 30), react(QUESTION, 25)) == []
    sent = await router.take(QUESTION)
    assert [type(one) for one in sent] == [PlaceMessage, ReviseMessage, ReviseMessage, RecordReaction, RemoveMessage]
    assert [one.text for one in sent if isinstance(one, ReviseMessage)] == ["second", "third"]
    assert await router.database.pool.fetchval("SELECT count(*) FROM early_changes") == 0
    assert await router.rule(edit(QUESTION, 40, "third")) == "same_content"


async def test_a_ticket_that_ended_is_reopened_or_followed(router: Router) -> None:
    opened = await router.place(post(ALICE, 0, channel=DIALOG))
    await router.take(changed(opened, 1), changed(opened, 2, Status.CLOSED, ended=at(100)))
    assert await router.rule(post(ALICE, 100 + 71 * HOUR, channel=DIALOG)) == "reopen"
    assert await router.rule(post(ALICE, 100 + 73 * HOUR, channel=DIALOG)) == "follow_up"


async def test_an_older_version_of_a_ticket_changes_nothing(router: Router) -> None:
    opened = await router.place(post(ALICE, 0, channel=DIALOG))
    await router.take(changed(opened, 3, Status.CLOSED, ended=at(10)))
    await router.take(changed(opened, 2, Status.OPEN))
    assert await router.rule(post(ALICE, 60, channel=DIALOG)) == "reopen"


async def test_until_ticketing_has_opened_the_next_ticket_it_is_taken_for_open(router: Router) -> None:
    opened = await router.place(post(ALICE, 0, channel=DIALOG))
    await router.take(changed(opened, 2, Status.CLOSED, ended=at(10)))
    late = 10 + 73 * HOUR
    following = await router.place(post(ALICE, late, channel=DIALOG))
    assert following.decided.rule == "follow_up"
    appended = await router.place(post(ALICE, late + 1, channel=DIALOG))
    assert (appended.decided.rule, appended.ticket_id) == ("append_dialog", following.ticket_id)
    # Ticketing had the last word: it put that message into the first ticket, reopened, and closed it again.
    await router.take(changed(opened, 4, Status.SOLVED, ended=at(late + 50), heard=at(late + 1)))
    again = await router.place(post(ALICE, late + 60, channel=DIALOG))
    assert again.open is not None
    assert (again.decided.rule, again.ticket_id) == ("reopen", changed(opened).ticket_id)


async def test_the_latest_ticket_of_a_place_counts(router: Router) -> None:
    opened = await router.place(post(ALICE, 0, channel=DIALOG))
    await router.take(changed(opened, 2, Status.CLOSED, ended=at(10)))
    following = await router.place(post(ALICE, 10 + 73 * HOUR, channel=DIALOG))
    await router.take(changed(following, 1, number=2), changed(opened, 3, Status.CLOSED, ended=at(11)))
    assert (await router.place(post(ALICE, 20 + 73 * HOUR, channel=DIALOG))).ticket_id == following.ticket_id


async def test_a_post_named_by_a_receipt_is_an_echo_whoever_seems_to_write_it(router: Router) -> None:
    opened = await router.place(QUESTION)
    assert opened.open is not None
    echo = post(OTHER_BOT, 60, "we look at it", thread=0)
    await router.take(receipt(echo.message_key, opened.open.conversation_id, COURSE.key))
    assert await router.rule(echo) == "echo"
    assert isinstance((await router.take(react(echo, 70, ALICE)))[0], RecordReaction)


async def test_a_reply_to_our_post_in_a_group_belongs_to_its_conversation(router: Router) -> None:
    opened = await router.place(post(ALICE, 0, channel=GROUP))
    assert opened.open is not None
    ours = post(OURS, 60, "we look at it", GROUP).message_key
    await router.take(receipt(ours, opened.open.conversation_id))
    reply = await router.place(post(BOB, 900, "thanks", GROUP, reply_to=ours))
    assert (reply.decided.rule, reply.place) == ("append_reply", opened.place)


async def test_a_conversation_that_only_ticketing_knows_is_followed_too(router: Router) -> None:
    opened = await router.place(post(ALICE, 0, channel=GROUP))
    appended = await router.place(post(ALICE, 60, channel=GROUP))
    await router.take(changed(appended, 1))  # it had closed the first ticket and opened another by the second message
    ours = post(OURS, 70, "hello", GROUP).message_key
    assert appended.open is not None
    await router.take(receipt(ours, appended.open.conversation_id))
    assert (await router.place(post(BOB, 900, "thanks", GROUP, reply_to=ours))).place == opened.place


async def test_what_a_failed_batch_has_read_is_not_believed_later(router: Router) -> None:
    """Its records are handled one by one after a failure, so that the staff is read back without being in hand."""
    connection = await router.database.pool.acquire()
    transaction = connection.transaction()
    await transaction.start()
    for model in (staff(MENTOR), post(ALICE, 0)):
        await router.worker.handle([router.record(model, 0)], connection)
    await transaction.rollback()
    await router.database.pool.release(connection)
    await router.take(staff(BOB))
    assert await router.rule(post(MENTOR, 60)) == "open"
    assert await router.rule(post(BOB, 120)) == "desk_top_level"


async def test_staff_takes_effect_in_its_own_batch_and_ends(router: Router) -> None:
    await router.take(QUESTION)
    sent = await router.take(post(MENTOR, 60, thread=0), staff(MENTOR))
    assert [one.message.agent_id for one in sent if isinstance(one, PlaceMessage)] == ["agt_mentor"]
    await router.take(staff(MENTOR, active=False, version=2))
    assert await router.rule(post(MENTOR, 70, thread=0)) == "append_thread"
    await router.take(staff(MENTOR, version=3))
    assert await router.rule(post(MENTOR, 80, thread=0)) == "desk_reply"
    await router.tombstone("desk.staff.v1", MENTOR.key)
    assert await router.rule(post(MENTOR, 90, thread=0)) == "append_thread"


async def test_a_late_word_on_a_former_agent_changes_nothing(router: Router) -> None:
    await router.take(QUESTION)
    await router.take(staff(MENTOR))
    await router.take(staff(MENTOR, active=False, version=2))
    await router.take(staff(MENTOR, version=3, agent="agt_other"))
    await router.take(staff(MENTOR))  # a stopped relay woke up and published an old row again
    (sent,) = await router.take(post(MENTOR, 60, thread=0))
    assert isinstance(sent, PlaceMessage)
    assert sent.message.agent_id == "agt_other"


async def test_a_late_duplicate_in_the_same_batch_undoes_nothing(router: Router) -> None:
    """A relay that lost its lease published it late: the log holds v1, v2, v1."""
    unnamed = COURSE.model_copy(update={"name": None})
    older, newer = (
        ChannelProfile(channel_key=unnamed.key, name=name, updated_at=at(seconds))
        for name, seconds in (("lobby", 0), ("course-rust", 60))
    )
    rules = published(1, overrides=[{"match": {"name": "course-*"}, "queue": "studies"}])
    await router.take(rules, older, newer, older)
    placed = await router.place(post(ALICE, 0, channel=unnamed))
    assert placed.open is not None
    assert placed.open.queue == "studies"
    await router.take(staff(MENTOR), staff(MENTOR, version=2, agent="agt_other"), staff(MENTOR))
    (sent,) = await router.take(post(MENTOR, 60, thread=0, channel=unnamed))
    assert isinstance(sent, PlaceMessage)
    assert sent.message.agent_id == "agt_other"


async def test_a_tombstone_in_the_same_batch_ends_what_stood_before_it(router: Router) -> None:
    await router.take(QUESTION)
    gone = Record("desk.staff.v1", 0, 1, 0, MENTOR.key.encode(), None, (), None)
    batch = [router.record(staff(MENTOR, version=2), 0), gone, router.record(staff(BOB), 0), gone]
    batch += [router.record(staff(BOB, active=False, version=2), 0)]
    async with router.database.transaction() as connection:
        await router.worker.handle(batch, connection)
    assert await router.rule(post(MENTOR, 60, thread=0)) == "append_thread"
    assert await router.rule(post(BOB, 70, thread=0)) == "append_thread"


async def test_a_policy_takes_effect_and_an_older_one_does_not(router: Router) -> None:
    await router.take(published(4, defaults={"open_on": "never"}))
    assert await router.rule(QUESTION) == "open_on_never"
    await router.take(published(3, defaults={"open_on": "message"}))
    assert await router.rule(post(BOB, 5)) == "open_on_never"
    await router.take(published(5, defaults={"queue": "studies"}))
    placed = await router.place(post(BOB, 500))
    assert placed.open is not None
    assert (placed.open.queue, placed.decided.policy_version) == ("studies", 5)


async def test_a_batch_that_failed_leaves_no_policy_behind(router: Router) -> None:
    records = [router.record(one, 0) for one in (published(4, defaults={"open_on": "never"}), QUESTION)]
    async with router.database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await router.worker.handle(records, connection)
        await transaction.rollback()
    assert await router.rule(QUESTION) == "open"


async def test_patterns_for_names_hold_where_only_the_profile_tells_the_name(router: Router) -> None:
    unnamed = COURSE.model_copy(update={"name": None})
    rules = published(1, overrides=[{"match": {"name": "course-*"}, "queue": "studies"}])
    profile = ChannelProfile(channel_key=unnamed.key, name="course-rust", updated_at=NOW)
    person = ChannelProfile(channel_key=ChannelKey("slack:C77"), name="lobby", updated_at=NOW)
    await router.take(rules, profile, person)
    placed = await router.place(post(ALICE, 0, channel=unnamed))
    assert placed.open is not None
    assert placed.open.queue == "studies"


async def test_a_channel_that_changed_its_id_is_one_channel_for_the_next_batches(router: Router) -> None:
    opened = await router.place(QUESTION)
    new = renamed(COURSE, "slack:C99")
    await router.take(moved(COURSE, new, 10))
    later = await router.place(post(ALICE, 600, channel=new, thread=0))
    assert later.place.key == opened.place.key
    assert later.place.channel.key == new.key
    (revised,) = await router.take(edit(post(ALICE, 0, channel=new), 700, "second"))
    assert isinstance(revised, ReviseMessage)
    assert revised.message_key == QUESTION.message_key
    burst = await router.place(post(ALICE, 100, channel=new))
    assert burst.decided.rule == "continue"


async def test_an_album_is_one_conversation_over_batches(router: Router) -> None:
    first = await router.place(post(ALICE, 0, channel=GROUP, album="A1"))
    await router.take(post(BOB, 1, channel=GROUP))
    second = await router.place(post(ALICE, 2, channel=GROUP, album="A1"))
    assert (second.decided.rule, second.place) == ("append_album", first.place)


async def test_an_announcement_ignored_long_ago_is_read_in_as_context(router: Router) -> None:
    await router.take(staff(MENTOR))
    assert await router.rule(post(MENTOR, 0, "The lesson is out")) == "desk_top_level"
    await router.take(post(BOB, 600, thread=0))
    (context,) = await router.take(post(MENTOR, 0, "The lesson is out", backfilled=True))
    assert isinstance(context, PlaceMessage)
    assert context.message.context
    assert context.open is None
    assert await router.take(post(MENTOR, 0, "The lesson is out", backfilled=True)) == []


async def test_an_event_is_decided_once_in_one_batch_too(router: Router) -> None:
    assert len(await router.take(QUESTION, QUESTION, edit(QUESTION, 5, "b"), edit(QUESTION, 5, "b"))) == 2
    assert await router.take(QUESTION, edit(QUESTION, 5, "b")) == []


async def test_the_decision_record_tells_what_the_view_showed(router: Router) -> None:
    opened = await router.place(post(ALICE, 0, channel=DIALOG))
    await router.take(changed(opened, 2, Status.CLOSED, ended=at(10)))
    again = post(ALICE, 60, channel=DIALOG)
    await router.take(again, partition=7)
    row = await router.database.pool.fetchrow(
        "SELECT *, facts->>'seen_status' AS status FROM decisions WHERE event_id = $1", again.record_id
    )
    assert row is not None
    assert (row["rule"], row["status"], row["partition"], row["policy_version"]) == ("reopen", "closed", 7, 0)
    assert again.text not in row["facts"]


async def test_ids_follow_from_the_event_alone(router: Router) -> None:
    placed = await router.place(QUESTION)
    assert placed.command_id == ids.command(QUESTION.record_id, 0)


# --- a batch is as good as its parts ------------------------------------------------------------------------------


ELSEWHERE = renamed(COURSE, "slack:C99")


def under(channel: Channel, event: MessagePosted) -> MessageKey:
    return message_key(channel.key, message_id_of(event.message_key))


def a_story(seed: int) -> list[ChatEvent]:
    """A busy day of a few people in a few chats, events shuffled a little and some delivered twice."""
    dice = random.Random(seed)
    people = [ALICE, BOB, MENTOR, OTHER_BOT, Author(key=PersonKey("slack:U03"))]
    posts: list[MessagePosted] = []
    events: list[ChatEvent] = []
    seconds = 0.0
    for _ in range(120):
        seconds += dice.choice([0.5, 20, 100, 170, 400, 9000])
        channel = dice.choice([COURSE, COURSE, GROUP, GROUP, DIALOG, FORUM])
        same = [one for one in posts if one.channel.key == channel.key]
        kind = dice.random()
        if kind < 0.6 or not posts:
            more: dict[str, Any] = {}
            if channel is COURSE and same and dice.random() < 0.4:
                root = dice.choice(same)
                more["thread"] = root.thread or root.message_key.rpartition(":")[2]
            if channel is GROUP and same and dice.random() < 0.4:
                more["reply_to"] = dice.choice(same).message_key
            if channel is GROUP and dice.random() < 0.2:
                more["album"] = "A1"
            text = dice.choice(["help", "/close", "price?", "lesson 4"])
            posts.append(post(dice.choice(people), seconds, text, channel, **more))
            events.append(posts[-1])
        elif kind < 0.75:
            edited = dice.choice(posts)
            if edited.channel is COURSE and dice.random() < 0.5:
                edited = post(ALICE, 0, channel=ELSEWHERE).model_copy(update={"message_key": under(ELSEWHERE, edited)})
            events.append(edit(edited, seconds, dice.choice(["help", "second", "third"])))
        elif kind < 0.85:
            events.append(delete(dice.choice(posts), seconds))
        elif kind < 0.95:
            events.append(react(dice.choice(posts), seconds))
        else:
            events.append(moved(COURSE, ELSEWHERE, seconds))
    for _ in range(20):
        index = dice.randrange(len(events) - 1)
        events[index], events[index + 1] = events[index + 1], events[index]
        events.append(dice.choice(events))
    return events


async def told(router: Router, events: Sequence[ChatEvent], size: int) -> list[RecordModel]:
    await router.take(staff(MENTOR), published(1, answers=[{"name": "p", "text": "10", "words": ["price"]}]))
    sent: list[RecordModel] = []
    for begin in range(0, len(events), size):
        sent += await router.take(*events[begin : begin + size])
    return sent


@pytest.mark.parametrize("seed", range(5))
async def test_one_large_batch_decides_what_many_small_ones_decide(database_url: str, seed: int) -> None:
    events = a_story(seed)
    outcomes = []
    for size in (1, 7, len(events)):
        schema = f"router_{size}"
        await migrate(database_url, schema=schema, folders=FOLDERS)
        database = await Database.connect(database_url, schema=schema, process="test")
        sent = await told(Router(database), events, size)
        rules = await database.pool.fetch("SELECT event_id, rule, facts FROM decisions ORDER BY event_id")
        early = await database.pool.fetch("SELECT event_id FROM early_changes ORDER BY 1")
        outcomes.append((sent, [tuple(row) for row in rules], [tuple(row) for row in early]))
        await database.close()
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert any(isinstance(one, ReviseMessage) for one in outcomes[0][0])
