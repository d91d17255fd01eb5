"""The lag in seconds is how long the oldest unprocessed record has been seen to wait."""

from __future__ import annotations

import pytest

from chassis import group_offsets
from chassis.group_offsets import Waiting


def test_nothing_waits_at_the_end_of_the_log() -> None:
    waiting = Waiting()
    assert waiting.seconds(10, 10, now=0.0) == 0
    assert waiting.seconds(10, 10, now=9.0) == 0


def test_a_record_waits_since_the_log_was_first_seen_to_go_beyond_it() -> None:
    waiting = Waiting()
    waiting.seconds(10, 10, now=0.0)
    assert waiting.seconds(10, 11, now=1.0) == 0
    assert waiting.seconds(10, 15, now=5.0) == 4
    assert waiting.seconds(11, 15, now=7.0) == 2, "the next record came with the later end"
    assert waiting.seconds(15, 15, now=8.0) == 0


def test_a_busy_consumer_that_keeps_up_has_no_growing_lag() -> None:
    waiting = Waiting()
    assert [waiting.seconds(100 * n, 100 * n + 50, now=float(n)) for n in range(1, 50)] == [0.0] * 49


def test_a_long_lag_is_not_forgotten_when_there_is_no_room_for_more_sights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_offsets, "MOST_SIGHTS", 3)
    waiting = Waiting()
    for second in range(10):
        waited = waiting.seconds(0, second + 1, now=float(second))
    assert waited == 9
    assert waiting.seconds(9, 10, now=9.0) == 7, "of the records after the last sight none is told too young"
