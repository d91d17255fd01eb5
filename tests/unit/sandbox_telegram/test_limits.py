"""Throttles: what Telegram lets a bot send."""

from __future__ import annotations

import pytest

from sandbox.telegram.limits import RateLimits, Throttle


@pytest.mark.parametrize(
    ("sent_at", "asked_at", "wait"), [([], 0.0, 0), ([0.0], 0.2, 1), ([0.0], 1.0, 0), ([0.0, 1.0], 1.5, 1)]
)
def test_a_message_a_second_to_a_chat(sent_at: list[float], asked_at: float, wait: int) -> None:
    throttle = Throttle(RateLimits())
    assert [throttle.take(5, group=False, now=at) for at in sent_at] == [0] * len(sent_at)

    assert throttle.take(5, group=False, now=asked_at) == wait


def test_waiting_as_long_as_told_is_enough() -> None:
    throttle = Throttle(RateLimits(per_chat=3, per_chat_seconds=10.0))
    now = 0.0
    for _ in range(50):
        now += throttle.take(5, group=True, now=now) + 0.1
        wait = throttle.take(5, group=True, now=now)
        if wait:
            assert throttle.take(5, group=True, now=now + wait) == 0
            now += wait


def test_chats_long_quiet_are_forgotten() -> None:
    throttle = Throttle(RateLimits(total=None))
    for chat in range(12_000):
        throttle.take(chat, group=False, now=float(chat))

    assert len(throttle._windows) < 11_000
    assert throttle.take(11_999, group=False, now=11_999.5) == 1
