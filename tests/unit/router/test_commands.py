"""The records that carry decisions out: their ids, keys, times and traces."""

import pytest

from contracts import ids
from contracts.base import RecordModel
from contracts.chat import Channel
from contracts.chat_events_v1 import ChatEvent
from contracts.chat_replies_v1 import PostReply, ReplySource
from contracts.chat_requests_v1 import ReadThread
from contracts.ticket_commands_v1 import (
    CloseTicket,
    MoveChannel,
    PlaceMessage,
    RecordAutomaticAnswer,
    RecordReaction,
    RemoveMessage,
    ReviseMessage,
    Role,
)
from services.router.commands import Origin, Outgoing, outgoing
from services.router.records import record_of
from tests.unit.router.makers import (
    ALICE,
    BOB,
    COURSE,
    DIALOG,
    GROUP,
    MENTOR,
    OTHER_BOT,
    Chat,
    delete,
    edit,
    moved,
    policy,
    post,
    react,
    renamed,
)

ORIGIN = Origin(5, 1234, 7, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
QUESTION = post(ALICE, 0)


def sent(chat: Chat, event: ChatEvent) -> list[Outgoing]:
    return list(outgoing(event, chat.say(event), ORIGIN))


def models(chat: Chat, event: ChatEvent) -> list[RecordModel]:
    return [one.model for one in sent(chat, event)]


def test_a_placed_message_is_self_sufficient() -> None:
    (one,) = sent(Chat(), QUESTION)
    command = one.model
    assert isinstance(command, PlaceMessage)
    assert (one.time, one.traceparent) == (QUESTION.occurred_at, ORIGIN.traceparent)
    assert command.command_id == ids.command(QUESTION.record_id, 0)
    assert (command.decided.partition, command.decided.offset) == (5, 1234)
    assert (command.decided.rule, command.decided.policy_version) == ("open", 7)
    assert command.record_key == COURSE.key
    assert (command.received_at, command.message.sent_at) == (QUESTION.received_at, QUESTION.occurred_at)
    assert (command.message.text, command.message.author, command.message.role) == (QUESTION.text, ALICE, Role.CUSTOMER)
    assert command.place.channel == COURSE
    assert command.open is not None
    assert command.open.ticket_id == command.ticket_id == ids.ticket(command.place.key, QUESTION.message_key)
    assert command.open.reopen_within == 72 * 3600


def test_a_staff_message_names_its_agent_and_opens_nothing() -> None:
    chat = Chat()
    chat.say(QUESTION)
    (command,) = models(chat, post(MENTOR, 60, thread=0))
    assert isinstance(command, PlaceMessage)
    assert (command.message.role, command.message.agent_id, command.open) == (Role.DESK, "agt_mentor", None)


def test_changes_name_their_message_and_times() -> None:
    chat = Chat()
    chat.say(QUESTION)
    (revised,) = models(chat, edit(QUESTION, 10, "second"))
    (removed,) = models(chat, delete(QUESTION, 20))
    (reacted,) = models(chat, react(QUESTION, 30, BOB))
    (mentors,) = models(chat, react(QUESTION, 40, MENTOR))
    assert isinstance(revised, ReviseMessage)
    assert isinstance(removed, RemoveMessage)
    assert isinstance(reacted, RecordReaction)
    assert isinstance(mentors, RecordReaction)
    assert {one.message_key for one in (revised, removed, reacted)} == {QUESTION.message_key}
    assert revised.edited_at == edit(QUESTION, 10, "second").occurred_at
    assert removed.deleted_at == delete(QUESTION, 20).occurred_at
    assert (reacted.person, reacted.at) == (BOB, react(QUESTION, 30, BOB).occurred_at)
    assert [(one.role, one.agent_id) for one in (reacted, mentors)] == [
        (Role.CUSTOMER, None),
        (Role.DESK, "agt_mentor"),
    ]


def test_early_changes_keep_their_own_ids_and_follow_their_message() -> None:
    chat = Chat()
    early_edit, early_deletion = edit(QUESTION, 10, "second"), delete(QUESTION, 20)
    assert sent(chat, early_deletion) == []
    assert sent(chat, early_edit) == []
    placed, revised, removed = models(chat, QUESTION)
    assert isinstance(placed, PlaceMessage)
    assert isinstance(revised, ReviseMessage)
    assert isinstance(removed, RemoveMessage)
    assert revised.command_id == ids.command(early_edit.record_id, 0)
    assert removed.command_id == ids.command(early_deletion.record_id, 0)
    assert revised.received_at == early_edit.received_at


def test_close() -> None:
    chat = Chat()
    (opened,) = models(chat, post(ALICE, 0, "hello", DIALOG))
    (closed,) = models(chat, post(ALICE, 60, "/close", DIALOG))
    assert isinstance(opened, PlaceMessage)
    assert isinstance(closed, CloseTicket)
    assert (closed.place_key, closed.ticket_id) == (opened.place.key, opened.ticket_id)
    assert (closed.by, closed.role) == (ALICE, Role.CUSTOMER)


def test_an_automatic_answer_is_recorded_and_posted_as_one_delivery() -> None:
    chat = Chat(policy(answers=[{"name": "faq", "text": "Read the **guide**", "words": ["lesson"]}]))
    placed, recorded, posted = models(chat, QUESTION)
    assert isinstance(placed, PlaceMessage)
    assert isinstance(recorded, RecordAutomaticAnswer)
    assert isinstance(posted, PostReply)
    assert recorded.reply_id == posted.delivery_id == ids.automatic_reply(QUESTION.record_id, "faq")
    assert posted.source is ReplySource.AUTOMATIC
    assert (posted.conversation_id, posted.ticket_id) == (placed.open.conversation_id, placed.ticket_id)  # type: ignore[union-attr]
    assert posted.decided is not None
    assert posted.decided.rule == "answer_faq"
    assert [placed.command_id, recorded.command_id] == [ids.command(QUESTION.record_id, n) for n in (0, 1)]


@pytest.mark.parametrize(
    ("old", "new"), [(COURSE, renamed(COURSE, "slack:C99")), (GROUP, renamed(GROUP, "telegram:7700:-10099"))]
)
def test_answers_in_a_conversation_keep_the_key_it_began_with(old: Channel, new: Channel) -> None:
    """So no answer overtakes an older one when the channel moves. Where it stands now, the answer says too."""
    chat = Chat(policy(answers=[{"name": "faq", "text": "Read the guide", "words": ["lesson"]}]))
    first = next(one for one in models(chat, post(ALICE, 0, channel=old)) if isinstance(one, PostReply))
    chat.say(moved(old, new, 30))
    again = models(chat, post(ALICE, 60, channel=new))
    second = next(one for one in again if isinstance(one, PostReply))
    elsewhere = models(chat, post(BOB, 90, channel=new))
    third = next(one for one in elsewhere if isinstance(one, PostReply))
    assert first.conversation_id == second.conversation_id != third.conversation_id
    assert [one.record_key for one in (first, second, third)] == [old.key, old.key, new.key]
    assert [one.moved_to for one in (first, second, third)] == [None, new.key, None]
    assert [one.place.channel.key for one in (first, second, third)] == [old.key, new.key, new.key]


def test_history_is_asked_for_the_thread_before_the_message() -> None:
    _, request = models(Chat(), post(BOB, 600, thread=0))
    assert isinstance(request, ReadThread)
    assert f"{COURSE.key}:{request.thread}" == QUESTION.message_key
    assert request.before == post(BOB, 600).occurred_at


def test_a_moved_channel_keeps_the_order_of_the_old_one() -> None:
    new = renamed(GROUP, "telegram:7700:-10099")
    (command,) = models(Chat(), moved(GROUP, new))
    assert isinstance(command, MoveChannel)
    assert (command.record_key, command.channel) == (GROUP.key, new)


def test_decision_records_tell_facts_and_no_text() -> None:
    chat = Chat()
    made = record_of(QUESTION, chat.say(QUESTION), ORIGIN)
    assert (made.event_id, made.rule, made.policy_version) == (QUESTION.record_id, "open", 7)
    assert made.facts["role"] == "customer"
    assert QUESTION.text not in str(made.facts)
    ignored = post(OTHER_BOT, 5)
    assert "bot" in str(record_of(ignored, chat.say(ignored), ORIGIN).facts["reason"])
