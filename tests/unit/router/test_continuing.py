"""Bursts: a top-level post joins the conversation of the channel's previous one, by the same author and soon."""

import pytest

from contracts.keys import message_id_of
from contracts.ticket_events_v1 import Status
from services.router.decide.decisions import PlacePost
from tests.unit.router.makers import (
    ALICE,
    BOB,
    COURSE,
    GROUP,
    MENTOR,
    OTHER_BOT,
    OURS,
    Chat,
    moved,
    policy,
    post,
    renamed,
)

MINUTE = 60


@pytest.mark.parametrize(("seconds", "rule"), [(1, "continue"), (180, "continue"), (180.001, "open"), (1000, "open")])
def test_the_window_includes_its_boundary(seconds: float, rule: str) -> None:
    chat = Chat()
    chat.place(post(ALICE, 0))
    assert chat.place(post(ALICE, seconds)).rule == rule


def test_the_window_slides_with_each_message() -> None:
    chat = Chat()
    first = chat.place(post(ALICE, 0))
    for minutes in (2.5, 5, 7.5):
        assert chat.place(post(ALICE, minutes * MINUTE)).conversation_id == first.conversation_id


def test_another_customer_in_between_ends_the_burst() -> None:
    chat = Chat()
    chat.place(post(ALICE, 0))
    assert chat.place(post(BOB, 10)).rule == "open"
    assert chat.place(post(ALICE, 20)).rule == "open"


def test_the_desk_in_between_ends_the_burst() -> None:
    chat = Chat()
    chat.place(post(ALICE, 0))
    chat.say(post(MENTOR, 10))
    assert chat.place(post(ALICE, 20)).rule == "open"


@pytest.mark.parametrize("bot", [OTHER_BOT, OURS])
def test_an_ignored_bot_in_between_is_not_heard(bot: object) -> None:
    chat = Chat()
    chat.place(post(ALICE, 0))
    chat.say(post(bot, 10))  # type: ignore[arg-type]
    assert chat.place(post(ALICE, 20)).rule == "continue"


def test_a_listed_bot_in_between_is_heard() -> None:
    chat = Chat(policy(defaults={"bots": ["B77"]}))
    chat.place(post(ALICE, 0))
    chat.place(post(OTHER_BOT, 10))
    assert chat.place(post(ALICE, 20)).rule == "open"


def test_what_is_said_in_threads_neither_ends_nor_prolongs_a_burst() -> None:
    chat = Chat()
    chat.place(post(ALICE, 0))
    chat.place(post(BOB, 10, thread=0))
    chat.place(post(ALICE, 170, thread=0))
    assert chat.place(post(ALICE, 180)).rule == "continue"
    assert chat.place(post(ALICE, 361)).rule == "open"


def test_a_customer_who_was_not_heard_by_a_ticket_still_spoke() -> None:
    chat = Chat(policy(defaults={"open_on": "mention"}))
    chat.place(post(ALICE, 0, mentions_us=True))
    assert chat.say(post(BOB, 10))[0].rule == "open_on_mention"  # type: ignore[union-attr]
    assert chat.say(post(ALICE, 20))[0].rule == "open_on_mention"  # type: ignore[union-attr]


def test_continuing_needs_no_mention() -> None:
    chat = Chat(policy(defaults={"open_on": "mention"}))
    chat.place(post(ALICE, 0, mentions_us=True))
    assert chat.place(post(ALICE, 20)).rule == "continue"


def test_the_second_roots_thread_is_an_alias_of_the_first() -> None:
    chat = Chat()
    first = chat.place(post(ALICE, 0))
    second = chat.place(post(ALICE, 60))
    assert second.address == first.address
    assert second.alias == f"{COURSE.key}/{message_id_of(post(ALICE, 60).message_key)}"
    below = chat.place(post(BOB, 9999, thread=60))
    assert below.rule == "append_thread"
    assert below.address == first.address


def test_platform_times_count_not_the_order_of_arrival() -> None:
    chat = Chat()
    later = chat.place(post(ALICE, 60))
    assert chat.place(post(ALICE, 0)).conversation_id == later.conversation_id
    assert chat.place(post(ALICE, 240)).conversation_id == later.conversation_id


def test_who_spoke_earlier_but_arrived_later_ends_no_burst() -> None:
    chat = Chat()
    chat.place(post(ALICE, 60))
    chat.place(post(BOB, 30))
    assert chat.place(post(ALICE, 90)).rule == "continue"


def test_after_close_nothing_is_continued() -> None:
    chat = Chat()
    chat.place(post(ALICE, 0))
    assert chat.say(post(ALICE, 10, "/close"))[0].rule == "close_by_customer"  # type: ignore[union-attr]
    assert chat.place(post(ALICE, 20)).rule == "open"


def test_a_burst_after_the_end_of_its_ticket_reopens_it() -> None:
    chat = Chat()
    first = chat.place(post(ALICE, 0))
    chat.ticket_is(Status.SOLVED, first, ended=10)
    assert chat.place(post(ALICE, 20, "thanks")).rule == "reopen"


def test_zero_lets_nothing_continue_but_the_same_instant() -> None:
    chat = Chat(policy(defaults={"continue_within": "0s"}))
    chat.place(post(ALICE, 0))
    assert chat.place(post(ALICE, 0.01)).rule == "open"


def test_a_burst_of_forwards_in_a_group_is_one_conversation() -> None:
    chat = Chat()
    placed = [chat.place(post(ALICE, seconds, channel=GROUP)) for seconds in (0, 0.2, 0.4, 0.6)]
    assert len({one.conversation_id for one in placed}) == 1
    assert all(one.alias is None for one in placed)


def test_whoever_joins_a_conversation_of_a_group_continues_there() -> None:
    chat = Chat()
    root = post(ALICE, 0, channel=GROUP)
    first = chat.place(root)
    chat.place(post(BOB, 60, channel=GROUP, reply_to=root.message_key))
    assert chat.place(post(BOB, 90, channel=GROUP)).conversation_id == first.conversation_id
    assert chat.place(post(ALICE, 95, channel=GROUP)).rule == "open"


def test_history_has_bursts_of_its_own() -> None:
    """A gap is read in after somebody else spoke: what was missed belongs together all the same."""
    chat = Chat()
    live = chat.place(post(BOB, 7200))
    missed = [chat.place(post(ALICE, seconds, backfilled=True)) for seconds in (100, 200, 1000, 1100)]
    assert [one.rule for one in missed] == ["open", "continue", "open", "continue"]
    assert chat.place(post(BOB, 7300)).conversation_id == live.conversation_id


def test_what_was_missed_continues_what_came_before_the_gap() -> None:
    chat = Chat()
    before = chat.place(post(ALICE, 0))
    missed = chat.place(post(ALICE, 100, backfilled=True))
    after = chat.place(post(ALICE, 200))
    assert missed.conversation_id == after.conversation_id == before.conversation_id


def test_a_burst_survives_a_new_id_of_the_channel() -> None:
    chat = Chat()
    old = GROUP
    new = renamed(GROUP, "telegram:7700:-10099")
    first = chat.place(post(ALICE, 0, channel=old))
    chat.say(moved(old, new, 1))
    next_one = chat.place(post(ALICE, 2, channel=new))
    assert next_one.conversation_id == first.conversation_id
    assert next_one.address.reply_to is None  # the old group's message can't be quoted in the new one


def test_the_number_of_tickets_follows_from_times_and_authors_alone() -> None:
    said = [(ALICE, 0), (ALICE, 100), (BOB, 150), (ALICE, 160), (BOB, 330), (BOB, 511), (ALICE, 512), (ALICE, 692)]
    chat = Chat()
    opened = 0
    for author, seconds in said:
        decision = chat.say(post(author, seconds))[0]
        assert isinstance(decision, PlacePost)
        opened += decision.starts
    expected = 0
    for index, (author, seconds) in enumerate(said):
        previous = said[index - 1] if index else None
        expected += previous is None or previous[0] is not author or seconds - previous[1] > 180
    assert opened == expected == 6
