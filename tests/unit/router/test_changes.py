"""Edits, deletions and reactions: on their message, before it, and where it is nobody's."""

import itertools

import pytest

from contracts.chat import Attachment, Author
from contracts.chat_events_v1 import ChatEvent
from contracts.ticket_commands_v1 import Role
from services.router.decide.decisions import Decision, Ignore, KeepEarly, PlacePost, React, Remove, Revise
from services.router.decide.known import KnownMessage
from tests.unit.router.makers import (
    ALICE,
    BOB,
    COURSE,
    DIALOG,
    MENTOR,
    OTHER_BOT,
    OURS,
    Chat,
    at,
    delete,
    edit,
    moved,
    policy,
    post,
    react,
    renamed,
)

QUESTION = post(ALICE, 0, "I cannot open the lesson")


def only(decisions: list[Decision]) -> Decision:
    (decision,) = decisions
    return decision


def rule(decisions: list[Decision]) -> str:
    return only(decisions).rule  # type: ignore[union-attr]


def test_an_edit_with_new_content_revises() -> None:
    chat = Chat()
    chat.place(QUESTION)
    revised = only(chat.say(edit(QUESTION, 10, "I cannot open lesson 4")))
    assert isinstance(revised, Revise)
    assert (revised.rule, revised.text, revised.at) == ("edit", "I cannot open lesson 4", at(10))


def test_an_edit_with_the_same_content_makes_older_ones_late() -> None:
    """A message that was recovered from history has its last edit's text, and may be edited back to its first."""
    chat = Chat()
    chat.place(QUESTION)
    assert rule(chat.say(edit(QUESTION, 20, QUESTION.text))) == "same_content"
    assert rule(chat.say(edit(QUESTION, 10, "second"))) == "late_edit"
    read = edit(QUESTION, 19, QUESTION.text).model_copy(update={"ordered_at": at(20)})
    assert rule(chat.say(read)) == "unchanged"


def test_a_link_preview_in_telegram_is_no_edit() -> None:
    chat = Chat()
    written = post(BOB, 0, "see example.org", DIALOG)
    chat.place(written)
    assert rule(chat.say(edit(written, 1, written.text))) == "unchanged"


def test_content_is_compared_with_the_last_edit_not_the_first_text() -> None:
    chat = Chat()
    chat.place(QUESTION)
    chat.say(edit(QUESTION, 10, "second"))
    assert rule(chat.say(edit(QUESTION, 20, "second"))) == "same_content"
    assert rule(chat.say(edit(QUESTION, 30, QUESTION.text))) == "edit"


def test_other_files_are_other_content() -> None:
    chat = Chat()
    chat.place(QUESTION)
    file = Attachment(id="F1", name="screen.png")
    assert rule(chat.say(edit(QUESTION, 10, QUESTION.text, attachments=(file,)))) == "edit"
    assert rule(chat.say(edit(QUESTION, 20, QUESTION.text, attachments=(file,)))) == "same_content"


def test_an_edit_that_comes_late_does_not_undo_a_later_one() -> None:
    chat = Chat()
    chat.place(QUESTION)
    chat.say(edit(QUESTION, 20, "third"))
    assert rule(chat.say(edit(QUESTION, 10, "second"))) == "late_edit"
    assert rule(chat.say(edit(QUESTION, 30, "third"))) == "same_content"


def test_a_deletion_removes() -> None:
    chat = Chat()
    chat.place(QUESTION)
    assert only(chat.say(delete(QUESTION, 10))) == Remove("delete", QUESTION.message_key, at(10))


def test_staff_messages_are_edited_and_deleted_too() -> None:
    chat = Chat()
    chat.place(QUESTION)
    answer = post(MENTOR, 60, "try again", thread=0)
    chat.place(answer)
    assert rule(chat.say(edit(answer, 70, "try now"))) == "edit"
    assert rule(chat.say(delete(answer, 80))) == "delete"


def test_a_reaction_is_recorded_on_its_message() -> None:
    chat = Chat()
    chat.place(QUESTION)
    recorded = only(chat.say(react(QUESTION, 10)))
    assert isinstance(recorded, React)
    assert (recorded.message_key, recorded.name, recorded.added) == (QUESTION.message_key, "eyes", True)
    taken = only(chat.say(react(QUESTION, 20, added=False)))
    assert isinstance(taken, React)
    assert not taken.added


@pytest.mark.parametrize("early", [False, True], ids=["after its message", "before it"])
@pytest.mark.parametrize(
    ("person", "side"),
    [(BOB, (Role.CUSTOMER, None)), (MENTOR, (Role.DESK, "agt_mentor")), (OTHER_BOT, (Role.BOT, None))],
    ids=["customer", "agent", "bot"],
)
def test_a_reaction_says_whose_it_is(person: Author, side: tuple[Role, str | None], *, early: bool) -> None:
    chat = Chat()
    events = [QUESTION, react(QUESTION, 10, person)]
    said = [one for event in (reversed(events) if early else events) for one in chat.say(event)]
    (reaction,) = [one for one in said if isinstance(one, React)]
    assert (reaction.role, reaction.agent_id) == side


def test_our_own_bots_reaction_is_ignored() -> None:
    chat = Chat()
    chat.place(QUESTION)
    assert rule(chat.say(react(QUESTION, 10, OURS))) == "own_reaction"
    assert rule(chat.say(react(post(BOB, 500), 510, OURS))) == "own_reaction"


@pytest.mark.parametrize("author", [OTHER_BOT, MENTOR])
def test_changes_of_a_message_that_was_ignored_are_ignored(author: object) -> None:
    chat = Chat()
    ignored = post(author, 0)  # type: ignore[arg-type]
    chat.say(ignored)
    for change in (edit(ignored, 5, "new"), delete(ignored, 6), react(ignored, 7)):
        assert rule(chat.say(change)) == "not_placed"


def test_changes_of_our_own_posts_are_echoes() -> None:
    chat = Chat()
    ours = post(OURS, 60, "we look at it", thread=0)
    assert rule(chat.say(edit(ours, 70, "we looked at it"))) == "echo"
    assert rule(chat.say(edit(post(OTHER_BOT, 80), 90, "x", delivery_id="rpl_1"))) == "echo"


def test_a_reaction_to_our_own_post_waits_for_its_receipt_whenever_the_echo_comes() -> None:
    chat = Chat()
    ours = post(OURS, 60, "we look at it", thread=0)
    assert rule(chat.say(react(ours, 70))) == "early_reaction"
    assert rule(chat.say(ours)) == "echo"
    assert rule(chat.say(react(ours, 80, added=False))) == "early_reaction"
    assert [change.event.occurred_at for change in chat.view.early(ours.message_key)] == [at(70), at(80)]
    assert rule(chat.say(delete(ours, 90))) == "echo"


def test_a_reaction_to_an_answer_without_a_ticket_is_ticketings_to_judge() -> None:
    chat = Chat()
    ours = post(OURS, 60, "9 to 18", DIALOG)
    known = KnownMessage(ours.message_key, "cnv_1", None, Role.BOT, True, "", at(60))
    chat.view.messages[ours.message_key] = known
    assert rule(chat.say(react(ours, 70))) == "reaction"
    assert rule(chat.say(delete(ours, 80))) == "echo"


EARLY: list[ChatEvent] = [edit(QUESTION, 10, "second"), edit(QUESTION, 20, "third"), delete(QUESTION, 30)]


@pytest.mark.parametrize("arrival", list(itertools.permutations(EARLY)))
def test_changes_that_come_before_their_message_are_kept_and_applied_in_the_platforms_order(
    arrival: tuple[ChatEvent, ...],
) -> None:
    chat = Chat()
    for change in arrival:
        assert isinstance(only(chat.say(change)), KeepEarly)
    placed, *applied = chat.say(QUESTION)[:4]
    assert isinstance(placed, PlacePost)
    assert [type(one) for one in applied] == [Revise, Revise, Remove]
    assert [one.text for one in applied if isinstance(one, Revise)] == ["second", "third"]
    assert all(one.early is not None for one in applied if isinstance(one, Revise | Remove))
    assert chat.view.changed.caught_up == [QUESTION.message_key]
    assert chat.view.changed.early == []


def test_an_early_edit_whose_content_came_with_the_message_makes_older_ones_late() -> None:
    chat = Chat()
    chat.say(edit(QUESTION, 20, QUESTION.text))
    assert [one.rule for one in chat.say(QUESTION) if isinstance(one, Revise)] == ["same_content"]
    assert rule(chat.say(edit(QUESTION, 10, "second"))) == "late_edit"


def test_an_early_reaction_is_recorded_when_its_message_comes() -> None:
    chat = Chat()
    chat.say(react(QUESTION, 10))
    assert any(isinstance(one, React) for one in chat.say(QUESTION))


def test_changes_are_kept_for_a_message_that_is_then_ignored_and_forgotten() -> None:
    chat = Chat()
    ignored = post(OTHER_BOT, 0)
    chat.say(delete(ignored, 5))
    assert [type(one) for one in chat.say(ignored)] == [Ignore]
    assert chat.view.changed.caught_up == [ignored.message_key]


def test_a_message_deleted_before_it_came_is_not_answered() -> None:
    chat = Chat(policy(answers=[{"name": "hours", "text": "9 to 5", "words": ["lesson"]}]))
    chat.say(delete(QUESTION, 5))
    assert [type(one).__name__ for one in chat.say(QUESTION)] == ["PlacePost", "Remove", "Speak"]


def test_changes_find_their_message_under_the_channels_former_id() -> None:
    chat = Chat()
    chat.place(QUESTION)
    new = renamed(COURSE, "slack:C99")
    chat.say(moved(COURSE, new))
    under_new = post(ALICE, 0, channel=new)
    revised = only(chat.say(edit(under_new, 10, "second")))
    assert isinstance(revised, Revise)
    assert revised.message_key == QUESTION.message_key


def test_a_new_telegram_supergroup_numbers_its_messages_anew() -> None:
    chat = Chat()
    old = post(ALICE, 0, channel=DIALOG)
    chat.place(old)
    new = renamed(DIALOG, "telegram:7700:502")
    chat.say(moved(DIALOG, new))
    assert isinstance(only(chat.say(edit(post(ALICE, 0, channel=new), 10, "x"))), KeepEarly)
