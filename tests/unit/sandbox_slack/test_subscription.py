"""When Slack stops sending events, and when it begins again."""

from sandbox.clock import ManualClock
from sandbox.slack.settings import Settings
from sandbox.slack.subscription import Subscription


def tried(subscription: Subscription, number: int, *, delivered: bool) -> bool:
    disabled = [subscription.tried(first=True, delivered=delivered) for _ in range(number)]
    return any(disabled)


def test_over_95_percent_of_a_thousand_failures_disable_until_saved_again() -> None:
    subscription = Subscription(Settings(), ManualClock())
    assert not tried(subscription, 50, delivered=True)
    assert not tried(subscription, 950, delivered=False)
    assert tried(subscription, 1, delivered=False)
    assert subscription.disabled
    subscription.enable()
    assert not tried(subscription, 999, delivered=False)
    assert tried(subscription, 1, delivered=False)


def test_fewer_than_a_thousand_events_an_hour_may_all_fail() -> None:
    clock = ManualClock()
    subscription = Subscription(Settings(), clock)
    assert not tried(subscription, 999, delivered=False)
    clock.advance(3600)
    assert not tried(subscription, 999, delivered=False)
    assert not subscription.tried(first=False, delivered=False), "retries are no events"


def test_it_can_be_switched_off() -> None:
    assert not tried(Subscription(Settings(disable_failing=False), ManualClock()), 2000, delivered=False)


def test_each_minute_above_the_hourly_number_is_told_once() -> None:
    clock = ManualClock(7200.0)
    subscription = Subscription(Settings(events_per_hour=1), clock)
    assert subscription.over_hourly_limit() == (False, None)
    assert subscription.over_hourly_limit() == (True, 7200)
    assert subscription.over_hourly_limit() == (True, None)
    clock.advance(60)
    assert subscription.over_hourly_limit() == (True, 7260)
    clock.advance(3600)
    assert subscription.over_hourly_limit() == (False, None)
