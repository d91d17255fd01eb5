"""Every Prometheus metric of Okno, named here and nowhere else, each with a sentence.

Labels have few values each: no ids, names or texts of messages, channels, people or tickets. Times are in seconds.
`docs/telemetry.md` lists them all (a test keeps it complete); labels' values are described there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector

disable_created_metrics()  # type: ignore[no-untyped-call]  # a third fewer lines to scrape; nothing here reads them

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Buckets of steps inside a process."""
JOURNEY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
"""Buckets of journeys across processes, up to a quarter of an hour."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Buckets of numbers of records."""


class _Remembering(MetricWrapperBase):
    """Remembers its children by the labels asked for: the library's own look-up takes longer than the counting."""

    def labels(self, *labelvalues: Any, **labelkwargs: Any) -> Self:
        if labelkwargs:
            return super().labels(*labelvalues, **labelkwargs)
        remembered: dict[tuple[str, ...], Self] = self.__dict__.setdefault("_remembered", {})
        child = remembered.get(labelvalues)
        if child is None:
            child = remembered[labelvalues] = super().labels(*labelvalues)
        return child


class _Counter(_Remembering, Counter):
    pass


class _Histogram(_Remembering, Histogram):
    pass


def _counter(name: str, sentence: str, *labels: str) -> Counter:
    return _Counter(f"okno_{name}", sentence, labels, registry=REGISTRY)


def _gauge(name: str, sentence: str, *labels: str) -> Gauge:
    return Gauge(f"okno_{name}", sentence, labels, registry=REGISTRY)


def _histogram(name: str, sentence: str, *labels: str, buckets: tuple[float, ...] = FAST) -> Histogram:
    return _Histogram(f"okno_{name}", sentence, labels, registry=REGISTRY, buckets=buckets)


def from_zero(metric: MetricWrapperBase, *values: Iterable[str]) -> None:
    """Show the metric with these values of its labels, each with each, before anything is counted: Prometheus sees no
    increase in what a series begins with.
    """
    for one in itertools.product(*values):
        metric.labels(*one)


# process
process_info = Info("okno_process", "Which process this is.", registry=REGISTRY)
process_ready = _gauge("process_ready", "1 while nothing speaks against readiness; each scrape asks.")
process_stopping = _gauge("process_stopping", "1 from the moment the process was asked to stop.")
component_failures = _counter("component_failures_total", "Components that failed and ended the process.", "component")
loop_age = _gauge("loop_last_turn_age_seconds", "Time since a loop's last turn; /livez compares it.", "loop")
loop_limit = _gauge("loop_limit_seconds", "Age of a loop's last turn above which /livez says no.", "loop")
event_loop_delay = _histogram("event_loop_delay_seconds", "How late the event loop woke a sleeper.")
pool_wait = _histogram("database_pool_wait_seconds", "Wait for a connection of the database pool.")
pool_connections = _gauge("database_pool_connections", "Connections of the database pool: open, idle.", "state")
pruned_rows = _counter("pruned_rows_total", "Rows removed because they were old enough.", "table")
spans_exported = _counter("spans_total", "Spans by what became of them.", "result")

# ingest
http_given_up = _counter(
    "http_given_up_total",
    "Connections closed because their request came too slowly or its headers don't end.",
    "reason",
)
webhook_requests = _counter("webhook_requests_total", "Requests of a platform to Okno.", "platform", "outcome")
webhook_publish = _histogram(
    "webhook_publish_seconds", "From a webhook's arrival to Kafka's acknowledgement of its events.", "platform"
)
webhook_signature_failures = _counter(
    "webhook_signature_failures_total", "Webhooks refused for their signature or secret.", "platform", "reason"
)
payloads_unknown = _counter(
    "payloads_unknown_total", "Payloads that parsed but carry nothing that Okno knows.", "platform", "type"
)
payloads_broken = _counter("payloads_broken_total", "Payloads that broke the parser and were kept raw.", "platform")
events_published = _counter("events_published_total", "Chat events acknowledged by Kafka.", "platform", "type")
transport_connected = _gauge(
    "transport_connected", "1 while the Socket Mode or long-polling connection is up.", "platform"
)
profiles_published = _counter("profiles_published_total", "Profiles of people and channels published.", "platform")
gaps = _counter(
    "gaps_total",
    "Times a platform was not heard for longer than it may send again, by what was done; `unreadable` at each try.",
    "platform",
    "outcome",
)
backfilled_events = _counter("backfilled_events_total", "Events read from history and published.", "platform", "type")
backfill_channels = _gauge("backfill_channels", "Channels whose history is being read after a gap.", "platform")

# consuming
consumer_batch_size = _histogram("consumer_batch_records", "Records of a consumed batch.", "consumer", buckets=SIZES)
consumer_batch_time = _histogram(
    "consumer_batch_seconds", "From taking a batch to the commit of its transaction.", "consumer"
)
consumer_records = _counter("consumer_records_total", "Records by what became of them.", "consumer", "outcome")
consumer_lag = _gauge("consumer_lag_records", "Records not yet processed.", "consumer", "topic", "partition")
consumer_lag_seconds = _gauge(
    "consumer_lag_seconds", "For how long the oldest record not yet processed has been seen to wait.", "consumer"
)
consumer_oldest_age = _gauge(
    "consumer_oldest_event_age_seconds", "Age of the oldest event that was taken and is not processed.", "consumer"
)
consumer_event_age = _histogram(
    "consumer_event_age_seconds", "Age of an event when its transaction committed.", "consumer", buckets=JOURNEY
)
consumer_fenced = _counter(
    "consumer_positions_refused_total",
    "Batches whose first offset didn't match the stored position.",
    "consumer",
    "action",
)
consumer_retries = _counter(
    "consumer_retries_total", "Batches tried again after a transient error.", "consumer", "cause"
)
consumer_rebalances = _counter("consumer_rebalances_total", "Assignments of partitions received.", "consumer")
dead_letters = _counter("dead_letters_total", "Records put aside as dead letters.", "consumer", "cause")
dead_letters_waiting = _gauge(
    "dead_letters_waiting", "Dead letters that nobody has replayed or discarded.", "consumer", "cause"
)
dead_letters_oldest_age = _gauge(
    "dead_letters_oldest_age_seconds", "Age of the oldest dead letter that waits.", "consumer", "cause"
)
dead_letters_not_stored = _counter(
    "dead_letters_not_stored_total", "Dead letters for which the table had no room; they are on their topics.", "topic"
)

# outbox and relay
outbox_depth = _gauge("outbox_rows", "Rows that wait in the outbox.")
outbox_oldest_age = _gauge("outbox_oldest_age_seconds", "Age of the oldest row of the outbox.")
outbox_wait = _histogram("outbox_wait_seconds", "From a row's commit to Kafka's acknowledgement.", buckets=JOURNEY)
relay_publish = _histogram("relay_publish_seconds", "Publishing and deleting one batch of outbox rows.")
relay_records = _counter("relay_records_total", "Outbox rows published.", "topic")
relay_leader = _gauge("relay_leases_held", "Relay leases that this process holds.", "lease")

# router
router_decisions = _counter("router_decisions_total", "Decisions by the rule that made them.", "platform", "rule")
router_answers = _counter("router_automatic_answers_total", "Automatic answers sent.", "platform", "rule")
router_observed = _counter("router_observed_total", "Decisions recorded but not published in observe mode.", "rule")

# ticketing
commands = _counter("ticket_commands_total", "Ticket commands by what became of them.", "type", "outcome")
tickets = _counter("tickets_total", "Tickets by what happened to them.", "platform", "change")
webhook_to_ticket = _histogram(
    "webhook_to_ticket_seconds", "From a message's webhook to its ticket (SLI).", "platform", buckets=JOURNEY
)
receipts = _counter("ticket_receipts_total", "Delivery receipts by what became of them.", "outcome")
api_requests = _histogram("api_request_seconds", "Requests to the ticketing API.", "route", "method", "status")

# notifier
deliveries = _counter(
    "deliveries_total", "Deliveries by the state they reached and its cause.", "platform", "state", "cause"
)
deliveries_waiting = _gauge("deliveries_waiting", "Deliveries that are not finished.", "platform", "state")
deliveries_oldest_age = _gauge(
    "deliveries_oldest_age_seconds", "Age of the oldest delivery that is neither finished nor paused.", "platform"
)
reply_to_chat = _histogram(
    "reply_to_chat_seconds", "From a reply's request to its delivery in the chat (SLI).", "platform", buckets=JOURNEY
)
rate_limit_wait = _histogram(
    "rate_limit_wait_seconds", "Wait of a platform call for its rate limit.", "platform", "bucket", buckets=JOURNEY
)
platform_calls = _histogram(
    "platform_call_seconds", "Calls to a platform's API.", "platform", "method", "outcome", buckets=JOURNEY
)
