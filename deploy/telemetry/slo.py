"""The service's objectives, and the recording rules and burn-rate alerts that follow from them.

`python -m deploy.telemetry write` writes `deploy/prometheus/okno-slo.rules.yaml`; why the numbers are what they are:
docs/slo.md. Burn rate 1 spends the budget of 30 days in 30 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

LEAST_BAD = 5
"""So many bad events at least in an alert's long window: at night one late message may be a tenth of all."""


@dataclass(frozen=True, slots=True)
class Slo:
    """`total` and `good` select the counters of all events and of the good ones; `bad` says what a bad one is."""

    name: str
    alert: str
    objective: float
    total: str
    good: str
    bad: str

    @property
    def budget(self) -> float:
        return round(1 - self.objective, 6)


SLOS = (
    Slo(
        "webhook_to_ticket",
        "OknoTicketsLate",
        0.995,
        "okno_webhook_to_ticket_seconds_count",
        'okno_webhook_to_ticket_seconds_bucket{le="5.0"}',
        "customers' messages took more than 5 s to their ticket",
    ),
    Slo(
        "reply_to_chat",
        "OknoRepliesLate",
        0.99,
        "okno_reply_to_chat_seconds_count",
        'okno_reply_to_chat_seconds_bucket{le="30.0"}',
        "replies took more than 30 s to the chat",
    ),
    Slo(
        "api_availability",
        "OknoApiFails",
        0.999,
        "okno_api_request_seconds_count",
        'okno_api_request_seconds_count{status!~"5.."}',
        "API requests were answered with a 5xx",
    ),
)


@dataclass(frozen=True, slots=True)
class Burn:
    """Fires while both windows burn faster than `rate`: the long one is significant, the short one ends it soon."""

    rate: float
    long: str
    short: str
    severity: str


BURNS = (
    Burn(14.4, "1h", "5m", "page"),
    Burn(6, "6h", "30m", "page"),
    Burn(3, "1d", "2h", "ticket"),
    Burn(1, "3d", "6h", "ticket"),
)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def ratio(slo: Slo, window: str) -> str:
    """Name of the recorded share of bad events."""
    return f"okno:{slo.name}:errors:ratio_rate{window}"


def count(slo: Slo, window: str) -> str:
    """Name of the recorded number of bad events."""
    return f"okno:{slo.name}:errors:increase{window}"


def _summed(slo: Slo, function: str, window: str) -> tuple[str, str]:
    """The good events and all of them. A bucket is always there with its count; but where all events are bad there may
    be no series of good ones: they are none then.
    """
    good, total = (f"sum({function}({selected}[{window}]))" for selected in (slo.good, slo.total))
    return good if "_bucket{" in slo.good else f"({good} or 0 * {total})", total


def _recordings(slo: Slo) -> list[Json]:
    rules: list[Json] = []
    for window in WINDOWS:
        good, total = _summed(slo, "rate", window)
        rules.append({"record": ratio(slo, window), "expr": f"1 - {good} / {total}"})
    for burn in BURNS:
        good, total = _summed(slo, "increase", burn.long)
        rules.append({"record": count(slo, burn.long), "expr": f"{total} - {good}"})
    return rules


def _alert(slo: Slo, burn: Burn) -> Json:
    limit = f"{burn.rate * slo.budget:g}"
    return {
        "alert": slo.alert,
        "expr": f"{ratio(slo, burn.long)} > {limit}\nand {ratio(slo, burn.short)} > {limit}\n"
        f"and {count(slo, burn.long)} >= {LEAST_BAD}\n",
        "labels": {"severity": burn.severity, "slo": slo.name, "window": burn.long},
        "annotations": {
            "summary": f"{{{{ $value | humanizePercentage }}}} of {slo.bad}",
            "description": f"In the last {burn.long} and the last {burn.short}. The objective is {slo.objective:.1%}; "
            f"at {burn.rate:g} times the sustainable rate the budget of 30 days lasts {30 / burn.rate:.0f} days.",
            "runbook_url": f"docs/runbooks/{slo.alert}.md",
        },
    }


def rules() -> Json:
    """The content of the rules file."""
    groups: list[Json] = [{"name": f"okno-slo-{slo.name}", "rules": _recordings(slo)} for slo in SLOS]
    groups += [{"name": f"okno-burn-{slo.name}", "rules": [_alert(slo, burn) for burn in BURNS]} for slo in SLOS]
    return {"groups": groups}
