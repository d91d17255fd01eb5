"""Keys come apart as they were put together; ids are the same for the same fact and differ for different ones."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import ids, keys
from contracts.durations import format_duration, parse_duration


def test_keys_have_the_forms_of_the_design() -> None:
    assert keys.message_key(keys.slack_channel("C034"), "1716300000.000100") == "slack:C034:1716300000.000100"
    assert keys.message_key(keys.telegram_channel(7700, -100123), 55) == "telegram:7700:-100123:55"
    assert keys.place_key("slack:C034", "1.2") == "slack:C034/1.2"
    assert keys.place_key("slack:D034", None) == "slack:D034"


@given(bot=st.integers(1), chat=st.integers(), message=st.integers(1))
def test_telegram_keys_come_apart(bot: int, chat: int, message: int) -> None:
    channel = keys.telegram_channel(bot, chat)
    key = keys.message_key(channel, message)
    assert keys.channel_of_message(key) == channel
    assert (keys.message_id_of(key), keys.native_channel(channel)) == (str(message), str(chat))
    assert keys.telegram_bot_of(key) == str(bot)
    place = keys.place_key(channel, str(message))
    assert (keys.channel_of_place(place), keys.thread_of_place(place)) == (channel, str(message))


def test_messages_of_a_channel_are_ordered_as_the_platform_orders_them() -> None:
    slack = ["slack:C1:999.000001", "slack:C1:1716300000.000100", "slack:C1:1716300000.000101", "slack:C1:1716300001.1"]
    telegram = ["telegram:1:2:9", "telegram:1:2:10", "telegram:1:2:100"]
    for listed in (slack, telegram):
        shuffled = listed[1:] + listed[:1]
        assert sorted(shuffled, key=keys.ordinal) == listed


def test_a_string_that_is_no_key_is_refused_with_what_it_should_be() -> None:
    with pytest.raises(keys.InvalidKey, match="slack, telegram"):
        keys.platform_of("irc:#ubuntu")


@given(st.lists(st.text(), min_size=2, max_size=2), st.lists(st.text(), min_size=2, max_size=2))
def test_ticket_ids_collide_only_for_the_same_parts(first: list[str], second: list[str]) -> None:
    assert (ids.ticket(*first) == ids.ticket(*second)) == (first == second)


def test_a_reaction_that_comes_back_is_another_event() -> None:
    at = datetime(2024, 5, 21, tzinfo=UTC)
    first = ids.reaction_event("slack:C1:1.0", "slack:U1", "eyes", added=True, at=at)
    again = ids.reaction_event("slack:C1:1.0", "slack:U1", "eyes", added=True, at=at + timedelta(seconds=1))
    assert first != again
    assert first == ids.reaction_event("slack:C1:1.0", "slack:U1", "eyes", added=True, at=at)
    within = {
        ids.reaction_event("telegram:1:2:3", "telegram:2", "x", added=True, at=at, update_id=number)
        for number in (None, 7, 8)
    }
    assert len(within) == 3


def test_an_edit_that_changes_only_files_is_another_event() -> None:
    at = datetime(2024, 5, 21, tzinfo=UTC)
    edited = [ids.edit_event("slack:C1:1.0", at, "see", files) for files in ((), ("F1",), ("F1", "F2"))]
    assert len(set(edited)) == 3
    assert edited[0] == ids.edit_event("slack:C1:1.0", at, "see")
    assert edited[2] == ids.edit_event("slack:C1:1.0", at, "see", ["F2", "F1"])


@given(st.integers(0, 10_000_000))
def test_durations_are_written_as_they_are_read(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


def test_a_wrong_duration_shows_the_right_form() -> None:
    with pytest.raises(ValueError, match="for instance 90s, 3m, 72h or 30d"):
        parse_duration("3 minutes")


@pytest.mark.parametrize("text", ["9999999999d", "1000000000d", "9" * 15 + "s", "9" * 400 + "d", "9" * 5000 + "d"])
def test_a_duration_without_measure_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too long for a duration; the longest is 999999999d"):
        parse_duration(text)
    assert parse_duration("999999999d").days == timedelta.max.days
