"""When latency is back to normal after an overload."""

from __future__ import annotations

from bench.options import Options
from bench.overload import CALM_SECONDS, phases_of, seconds_until_normal


def second(at: int, *milliseconds: float) -> list[tuple[float, float]]:
    return [(at + 0.5, value) for value in milliseconds]


def calm(first: int, seconds: int) -> list[tuple[float, float]]:
    return [one for at in range(first, first + seconds) for one in second(at, 5.0, 9.0)]


def test_latency_that_was_never_high_is_normal_at_once() -> None:
    assert seconds_until_normal(calm(0, CALM_SECONDS), normal_ms=10) == 0


def test_normal_begins_where_it_stays() -> None:
    late = second(0, 900.0) + calm(1, 2) + second(3, 5.0, 11.0) + calm(4, CALM_SECONDS)
    assert seconds_until_normal(late, normal_ms=10) == 4


def test_calm_that_is_too_short_is_none() -> None:
    assert seconds_until_normal(second(0, 900.0) + calm(1, CALM_SECONDS - 1), normal_ms=10) is None


def test_a_second_without_messages_is_no_reason_for_alarm() -> None:
    assert seconds_until_normal(second(0, 900.0) + calm(2, CALM_SECONDS), normal_ms=10) == 1


def test_the_rated_load_stands_before_and_after_the_overload() -> None:
    phases = phases_of(Options(), minutes=5)
    assert [(name, rate) for name, rate, _ in phases] == [("before", 100), ("overload", 1000), ("after", 100)]
    assert phases[1][2] == 300_000
