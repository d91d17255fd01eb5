"""Faster rules have shorter times and ages, and are the same otherwise."""

from __future__ import annotations

import pytest

from deploy.telemetry.speed import faster


def made_faster(expr: str) -> str:
    [group] = faster({"groups": [{"name": "g", "rules": [{"record": "r", "expr": expr}]}]}, 20, 8)["groups"]
    return str(group["rules"][0]["expr"])


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("rate(a_total[5m])", "rate(a_total[15s])"),
        ("rate(a_total[1m])", "rate(a_total[8s])"),
        ("a unless a offset 1h", "a unless a offset 180s"),
        ("max by (x) (okno_consumer_lag_seconds) > 60", "max by (x) (okno_consumer_lag_seconds) > 6"),
        ("okno:outbox_oldest_age_seconds:max > 60", "okno:outbox_oldest_age_seconds:max > 6"),
        (
            "okno_loop_last_turn_age_seconds > okno_loop_limit_seconds",
            "okno_loop_last_turn_age_seconds > 0.1 * okno_loop_limit_seconds",
        ),
        ("okno:event_loop_delay_seconds:p99 > 0.5", "okno:event_loop_delay_seconds:p99 > 0.5"),
        ("okno:x:errors:ratio_rate5m > 0.072", "okno:x:errors:ratio_rate5m > 0.072"),
    ],
)
def test_times_in_queries(expr: str, expected: str) -> None:
    assert made_faster(expr) == expected


def test_the_wait_before_an_alert() -> None:
    rules = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up == 0", "for": "10m"}]}]}
    assert faster(rules, 20, 8)["groups"][0]["rules"][0]["for"] == "30s"
