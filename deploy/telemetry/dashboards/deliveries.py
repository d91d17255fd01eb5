"""Deliveries and platforms: what became of replies."""

from __future__ import annotations

from deploy.telemetry.panels import Dashboard, Panel, Query, Row, warn
from deploy.telemetry.queries import RATE, quantiles, rate_of, share_of


def deliveries() -> Dashboard:
    return Dashboard(
        "okno-deliveries",
        "Okno: deliveries and platforms",
        "What became of replies, why, and how the platforms answer.",
        [
            Row(
                "Replies",
                [
                    Panel(
                        "Reply to chat",
                        quantiles("okno_reply_to_chat_seconds", "platform"),
                        "Rate limits and retries included.",
                        unit="s",
                        steps=[(30, "red")],
                    ),
                    Panel(
                        "Deliveries by state",
                        [rate_of("okno_deliveries_total", "platform", "state")],
                        "States reached, a second.",
                    ),
                    Panel(
                        "Not delivered, by cause",
                        [
                            rate_of(
                                "okno_deliveries_total",
                                "platform",
                                "state",
                                "cause",
                                select='state=~"failed|unknown|cancelled"',
                                says="trouble",
                            )
                        ],
                        "Failed, unknown whether it arrived, or withdrawn.",
                    ),
                    Panel(
                        "Waiting",
                        [
                            Query(
                                "sum by (platform, state) (okno_deliveries_waiting)",
                                "{{platform}} {{state}}",
                                "traffic",
                            )
                        ],
                        "`paused` ones wait because somebody wants it.",
                    ),
                    Panel(
                        "Oldest that waits",
                        [Query("max by (platform) (okno_deliveries_oldest_age_seconds)", "{{platform}}", "traffic")],
                        "Without paused ones.",
                        unit="s",
                        steps=warn(60, 300),
                    ),
                    Panel(
                        "Wait for a rate limit",
                        quantiles("okno_rate_limit_wait_seconds", "platform"),
                        "From when a call was due.",
                        unit="s",
                    ),
                ],
            ),
            Row(
                "Platforms",
                [
                    Panel(
                        "Calls",
                        [rate_of("okno_platform_call_seconds_count", "platform", "method", "outcome")],
                        "A second. `later` surely didn't happen, `doubtful` may have.",
                    ),
                    Panel(
                        "Time of a call",
                        quantiles("okno_platform_call_seconds", "platform", "method"),
                        "As the platform answers.",
                        unit="s",
                    ),
                    Panel(
                        "Calls that don't go through",
                        [
                            Query(
                                share_of("okno_platform_call_seconds_count", 'outcome=~"later|doubtful"', "platform"),
                                "{{platform}}",
                                "trouble",
                            )
                        ],
                        "Share: no connection, no answer, 5xx, 429.",
                        unit="percentunit",
                        steps=[(0.5, "red")],
                    ),
                    Panel(
                        "Connections",
                        [Query("max by (platform) (okno_transport_connected)", "{{platform}}", "trouble")],
                        "Socket Mode and long polling; nothing with webhooks.",
                    ),
                    Panel(
                        "Receipts applied",
                        [rate_of("okno_ticket_receipts_total", "outcome")],
                        "What ticketing did with what the notifier told.",
                    ),
                    Panel(
                        "Automatic answers",
                        [
                            rate_of("okno_router_automatic_answers_total", "platform", "rule", says="trouble"),
                            Query(
                                f"sum by (rule) (rate(okno_router_observed_total[{RATE}]))",
                                "observed {{rule}}",
                                "trouble",
                            ),
                        ],
                        "By rule; observed ones are recorded and not sent.",
                    ),
                ],
            ),
        ],
    )
