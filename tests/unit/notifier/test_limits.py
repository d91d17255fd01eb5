"""Buckets, by a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.limits import ChannelLimits, counts
from services.notifier.shared_limits import (
    SLACK_POSTS,
    SLACK_TIER_3,
    TELEGRAM_BOT,
    Rate,
    bucket_of,
    errands_of,
    grant,
    rate_of,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DIALOG, GROUP, SLACK = "telegram:7700:5", "telegram:7700:-100", "slack:C1"


def call(limits: ChannelLimits, channel: str, now: float) -> None:
    limits.take(channel)
    limits.ended(channel, now)


def calls_within(limits: ChannelLimits, channel: str, seconds: float, step: float = 0.05) -> list[float]:
    """The times at which a greedy caller gets through."""
    times, now = [], 0.0
    while now < seconds:
        if limits.wait(channel, now) == 0:
            call(limits, channel, now)
            times.append(now)
        else:
            now += step
    return times


def densest(times: Sequence[float], seconds: float) -> int:
    return max(sum(start <= time < start + seconds for time in times) for start in times)


def test_a_telegram_chat_takes_one_message_a_second() -> None:
    assert densest(calls_within(ChannelLimits(), DIALOG, 30), 1.0) == 1


def test_a_telegram_group_takes_twenty_a_minute() -> None:
    times = calls_within(ChannelLimits(), GROUP, 200)
    assert (densest(times, 60.0), densest(times, 1.0)) == (20, 1)


def test_a_slack_channel_takes_one_a_second_and_short_bursts() -> None:
    times = calls_within(ChannelLimits(), SLACK, 60)
    assert times[:3] == [0, 0, 0]
    assert densest(times, 3.0) == 3
    assert len(times) >= 55


def test_a_call_counts_from_its_end_and_closes_the_chat_while_it_lasts() -> None:
    limits = ChannelLimits()
    limits.take(DIALOG)
    assert limits.wait(DIALOG, 50.0) == float("inf")
    limits.ended(DIALOG, 100.0)
    assert limits.wait(DIALOG, 100.4) == pytest.approx(0.6)
    assert limits.closed(100.4) == {DIALOG: pytest.approx(0.6)}
    assert limits.wait(DIALOG, 101.0) == 0


def test_a_call_that_was_not_made_is_given_back() -> None:
    limits = ChannelLimits()
    limits.take(DIALOG)
    limits.give_back(DIALOG)
    assert limits.wait(DIALOG, 0.0) == 0


def test_a_held_channel_is_closed_for_as_long_as_the_platform_says() -> None:
    limits = ChannelLimits()
    limits.hold(DIALOG, 30.0, 100.0)
    limits.hold(DIALOG, 5.0, 101.0)
    assert limits.wait(DIALOG, 120.0) == pytest.approx(10.0)
    assert [set(limits.held(now)) for now in (120.0, 131.0)] == [{DIALOG}, set()]
    assert limits.closed(300.0) == {}


def test_buckets_that_are_full_again_are_forgotten() -> None:
    limits = ChannelLimits()
    call(limits, DIALOG, 0.0)
    limits.closed(500.0)
    assert limits._buckets == {}


def test_slack_counts_posts_by_channel_and_telegram_edits_too() -> None:
    assert [counts(SLACK, errand) for errand in ("post", "edit", "delete", "read")] == [True, False, False, False]
    assert [counts(DIALOG, errand) for errand in ("post", "edit", "delete", "read")] == [True, True, False, False]


def test_slack_counts_methods_of_a_workspace_and_telegram_a_bot() -> None:
    assert (bucket_of("slack:T1", "edit"), bucket_of("telegram:7700", "edit")) == ("slack:T1/edit", "telegram:7700")
    assert errands_of("slack:T1/edit") == ["slack:T1/edit"]
    assert "telegram:7700/delete" in errands_of("telegram:7700")
    assert [rate_of(name) for name in ("slack:T1/post", "slack:T1/read", "telegram:7700")] == [
        SLACK_POSTS,
        SLACK_TIER_3,
        TELEGRAM_BOT,
    ]


@pytest.mark.parametrize(
    ("rate", "seconds", "most"), [(TELEGRAM_BOT, 1.0, 30), (SLACK_TIER_3, 60.0, 50), (SLACK_POSTS, 60.0, 300)]
)
def test_a_shared_bucket_never_lets_more_through_than_the_platform(rate: Rate, seconds: float, most: int) -> None:
    times: list[float] = []
    full_at, now = NOW, NOW
    while now < NOW + timedelta(seconds=4 * seconds):
        granted = grant(full_at, None, now, 7, rate)
        full_at = granted.full_at
        times += [(now - NOW).total_seconds()] * granted.calls
        now += timedelta(seconds=seconds / 200)
    assert densest(times, seconds) <= most
    assert len(times) > 4 * most * 0.7


def test_a_held_bucket_grants_nothing_and_keeps_its_level() -> None:
    held = grant(NOW, NOW + timedelta(seconds=7), NOW, 3, SLACK_POSTS)
    assert (held.calls, held.wait, held.full_at) == (0, 7.0, NOW)


@given(st.integers(0, 100), st.floats(0, 30))
def test_after_the_wait_there_is_room(wanted: int, level: float) -> None:
    full_at = NOW + timedelta(seconds=level)
    first = grant(full_at, None, NOW, wanted, SLACK_TIER_3)
    assert 0 <= first.calls <= wanted
    later = grant(first.full_at, None, NOW + timedelta(seconds=first.wait + 0.001), 1, SLACK_TIER_3)
    assert later.calls == 1
