import pytest

from chassis.backoff import Backoff

BACKOFF = Backoff(first=0.1, factor=2, longest=3, patience=60)


def test_pauses_double_until_the_longest() -> None:
    pauses = [BACKOFF.pause(failures, elapsed=0, spread=0.999999) for failures in range(1, 8)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3, 3], rel=1e-3)


def test_jitter_takes_up_to_half_of_a_pause() -> None:
    assert BACKOFF.pause(1, 0, spread=0) == pytest.approx(0.05)
    assert all(0.05 <= (BACKOFF.pause(1, 0) or 0) < 0.1 for _ in range(100))


def test_patience_ends() -> None:
    assert BACKOFF.pause(5, elapsed=59.9) is not None
    assert BACKOFF.pause(5, elapsed=60) is None


def test_a_thousand_failures_are_no_overflow() -> None:
    assert BACKOFF.pause(10_000, elapsed=1, spread=0) == pytest.approx(1.5)
