"""What an alert counts stands on `/metrics` at 0 as soon as it can happen: its first burst is an increase then."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chassis import metrics
from chassis.batches import Batches
from chassis.dead_letter_share import Limit
from chassis.telemetry_export import CountingExporter
from contracts.keys import Platform
from services.ingest.slack.receive import SlackWebhook
from services.ingest.slack.socket import SocketMode
from services.ingest.telegram.polling import Polling
from services.ingest.telegram.receive import TelegramWebhook
from services.notifier.worker import Worker
from services.ticketing.worker import Applier

NONE = cast("Any", None)


def batches() -> Batches:
    return Batches(
        consumer="router", process="router-0", database=NONE, handle=NONE, decode=None, compacted=NONE, clock=NONE,
        limit=Limit(), dead_letter_lane=NONE, fault_prefix="router",
    )  # fmt: skip


def worker() -> Worker:
    senders = {Platform.TELEGRAM: NONE}
    return Worker(database=NONE, senders=senders, limits=NONE, clock=NONE, settling_seconds=1)


MADE: dict[str, tuple[Callable[[], object], str, dict[str, tuple[str, ...]]]] = {
    "consumer": (batches, "consumer_fenced", {"consumer": ("router",), "action": ("drop", "seek", "hole")}),
    "spans": (lambda: CountingExporter(NONE), "spans_exported", {"result": ("sent", "failed", "dropped")}),
    "Slack's webhooks": (
        lambda: SlackWebhook(NONE, "secret"),
        "webhook_requests",
        {"platform": ("slack",), "outcome": ("accepted", "unavailable")},
    ),
    "Slack's signatures": (
        lambda: SlackWebhook(NONE, "secret"),
        "webhook_signature_failures",
        {"platform": ("slack",), "reason": ("signature_missing", "signature_stale", "signature_wrong")},
    ),
    "Socket Mode": (
        lambda: SocketMode(NONE, app_token="xapp-1", api_url="http://127.0.0.1/"),
        "webhook_requests",
        {"platform": ("slack",), "outcome": ("accepted", "unavailable")},
    ),
    "Telegram's webhooks": (
        lambda: TelegramWebhook(NONE, 7700, "secret"),
        "webhook_requests",
        {"platform": ("telegram",), "outcome": ("accepted", "unavailable")},
    ),
    "Telegram's secrets": (
        lambda: TelegramWebhook(NONE, 7700, "secret"),
        "webhook_signature_failures",
        {"platform": ("telegram",), "reason": ("secret_missing", "secret_wrong")},
    ),
    "Telegram's polling": (
        lambda: Polling(NONE, NONE),
        "webhook_requests",
        {"platform": ("telegram",), "outcome": ("unavailable",)},
    ),
    "tickets": (Applier, "webhook_to_ticket", {"platform": ("slack", "telegram")}),
    "replies": (worker, "reply_to_chat", {"platform": ("telegram",)}),
}


@pytest.mark.parametrize("name", MADE)
async def test_what_can_happen_is_counted_from_zero(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, attribute, labels = MADE[name]
    page = alone(attribute, monkeypatch)
    made = make()
    if isinstance(made, SocketMode):
        await made.close()
    family = next(iter(getattr(metrics, attribute).describe()))
    series = f"{family.name}_{'total' if family.type == 'counter' else 'count'}"
    expected = {line(series, dict(zip(labels, values, strict=True))) for values in itertools.product(*labels.values())}
    assert {one for one in page() if one.startswith(series)} == expected


def line(series: str, labels: Mapping[str, str]) -> str:
    shown = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{series}{{{shown}}} 0.0"


def alone(attribute: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The metric as at a process's start, on a page of its own."""
    metric, registry = getattr(metrics, attribute), CollectorRegistry()
    family = next(iter(metric.describe()))
    fresh = type(metric)(family.name, family.documentation, metric._labelnames, registry=registry)
    monkeypatch.setattr(metrics, attribute, fresh)
    return lambda: generate_latest(registry).decode().splitlines()
