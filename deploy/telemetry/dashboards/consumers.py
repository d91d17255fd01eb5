"""Consumers and Kafka: who is behind, and why."""

from __future__ import annotations

from deploy.telemetry.panels import Dashboard, Panel, Query, Row, warn
from deploy.telemetry.queries import RATE, WITH_KIND, quantiles, rate_of


def consumers() -> Dashboard:
    return Dashboard(
        "okno-consumers",
        "Okno: consumers and Kafka",
        "How far each consumer is, what holds it up, and the way from the outbox to Kafka.",
        [
            Row(
                "Behind",
                [
                    Panel(
                        "Lag in seconds",
                        [Query("okno:consumer_lag_seconds:max", "{{consumer}}")],
                        "For how long the oldest unprocessed record has waited.",
                        unit="s",
                        steps=warn(10, 60),
                    ),
                    Panel(
                        "Lag in records",
                        [Query("okno:consumer_lag_records:sum", "{{consumer}}")],
                        "Over all partitions.",
                    ),
                    Panel(
                        "Oldest event in hand",
                        [Query("max by (consumer) (okno_consumer_oldest_event_age_seconds)", "{{consumer}}")],
                        "Taken and not processed; grows while a batch is tried again.",
                        unit="s",
                        steps=warn(10, 60),
                    ),
                    Panel(
                        "Age of events at their commit",
                        quantiles("okno_consumer_event_age_seconds", "consumer"),
                        "The oldest of each batch.",
                        unit="s",
                    ),
                    Panel(
                        "Lag by partition",
                        [Query("topk(10, okno_consumer_lag_records)", "{{consumer}} {{topic}}/{{partition}}")],
                        "The ten longest: one that stands out has a hot or blocked channel.",
                    ),
                    Panel(
                        "Records",
                        [rate_of("okno_consumer_records_total", "consumer", "outcome")],
                        "A second, by what became of them.",
                    ),
                ],
            ),
            Row(
                "Batches",
                [
                    Panel(
                        "Time of a batch",
                        quantiles("okno_consumer_batch_seconds", "consumer"),
                        "From taking it to the commit.",
                        unit="s",
                    ),
                    Panel(
                        "Records of a batch",
                        quantiles("okno_consumer_batch_records", "consumer"),
                        "Larger batches cost less a record.",
                    ),
                    Panel(
                        "Batches tried again",
                        [rate_of("okno_consumer_retries_total", "consumer", "cause", says="trouble")],
                        "After transient errors.",
                    ),
                    Panel(
                        "Positions refused",
                        [rate_of("okno_consumer_positions_refused_total", "consumer", "action", says="trouble")],
                        "Batches that didn't begin at the stored position: `drop` was done before, `seek` reads again.",
                    ),
                    Panel(
                        "Assignments",
                        [
                            Query(
                                f"sum by (consumer) (increase(okno_consumer_rebalances_total[{RATE}]))", "{{consumer}}"
                            )
                        ],
                        "Each is a rebalance.",
                    ),
                    Panel(
                        "Time since a loop's last turn",
                        [Query("max by (instance, loop) (okno_loop_last_turn_age_seconds)", "{{instance}} {{loop}}")],
                        "At its limit /livez says no.",
                        unit="s",
                    ),
                ],
            ),
            Row(
                "Put aside",
                [
                    Panel(
                        "Dead letters that wait",
                        [
                            Query(
                                "max by (consumer, cause) (okno_dead_letters_waiting)",
                                "{{consumer}} {{cause}}",
                                "trouble",
                            )
                        ],
                        "By consumer and cause.",
                        steps=[(1, "orange")],
                    ),
                    Panel(
                        "Age of the oldest",
                        [
                            Query(
                                "max by (consumer, cause) (okno_dead_letters_oldest_age_seconds)",
                                "{{consumer}} {{cause}}",
                                "trouble",
                            )
                        ],
                        "Replays beyond 30 days need force.",
                        unit="s",
                    ),
                    Panel(
                        "Dead letters",
                        [
                            rate_of("okno_dead_letters_total", "consumer", "cause", says="trouble"),
                            rate_of("okno_dead_letters_not_stored_total", "topic", says="trouble"),
                        ],
                        "A second; and those for which the table had no room.",
                    ),
                ],
            ),
            Row(
                "Outbox to Kafka",
                [
                    Panel(
                        "Oldest row",
                        [Query("okno:outbox_oldest_age_seconds:max", "{{kind}}")],
                        "Committed and not in Kafka yet.",
                        unit="s",
                        steps=warn(10, 60),
                    ),
                    Panel(
                        "Rows that wait",
                        [
                            Query(
                                f"max by (kind) (okno_outbox_rows {WITH_KIND})",
                                "{{kind}}",
                            )
                        ],
                        "Every process of a kind sees the same table.",
                    ),
                    Panel(
                        "Leases held",
                        [Query("okno:relay_leases_held:sum", "{{kind}} {{lease}}")],
                        "One each. The router's partitions have owners instead of a lease.",
                    ),
                    Panel(
                        "Wait in the outbox",
                        quantiles("okno_outbox_wait_seconds"),
                        "From a row's commit to Kafka's acknowledgement.",
                        unit="s",
                    ),
                    Panel(
                        "Publishing a batch",
                        quantiles("okno_relay_publish_seconds"),
                        "Until all are acknowledged.",
                        unit="s",
                    ),
                    Panel("Published", [rate_of("okno_relay_records_total", "topic")], "Records a second."),
                ],
            ),
            Row(
                "Into Kafka",
                [
                    Panel(
                        "Webhooks",
                        [rate_of("okno_webhook_requests_total", "platform", "outcome")],
                        "A second; `unavailable` is a 503 because Kafka didn't acknowledge.",
                    ),
                    Panel(
                        "Webhook to acknowledgement",
                        quantiles("okno_webhook_publish_seconds", "platform"),
                        "Slack waits three seconds.",
                        unit="s",
                        steps=[(2, "red")],
                    ),
                    Panel(
                        "Events published",
                        [rate_of("okno_events_published_total", "platform", "type")],
                        "A second.",
                        stacked=True,
                    ),
                    Panel(
                        "Refused signatures",
                        [
                            rate_of("okno_webhook_signature_failures_total", "platform", "reason", says="trouble"),
                            rate_of("okno_http_given_up_total", "reason", says="trouble"),
                        ],
                        "And connections closed because their request came too slowly.",
                    ),
                    Panel(
                        "Payloads not understood",
                        [
                            rate_of("okno_payloads_unknown_total", "platform", "type", says="trouble"),
                            rate_of("okno_payloads_broken_total", "platform", says="trouble"),
                        ],
                        "Unknown: nothing that Okno knows. Broken: kept raw as a dead letter.",
                    ),
                    Panel(
                        "Gaps",
                        [
                            Query(
                                "sum by (platform, outcome) (increase(okno_gaps_total[1h]))",
                                "{{platform}} {{outcome}}",
                                "trouble",
                            ),
                            Query(
                                "sum by (platform) (okno_backfill_channels)", "{{platform}} channels to read", "trouble"
                            ),
                            rate_of("okno_backfilled_events_total", "platform", "type", says="trouble"),
                        ],
                        "A platform wasn't heard for longer than it sends again: what is read from its history.",
                    ),
                ],
            ),
        ],
    )
