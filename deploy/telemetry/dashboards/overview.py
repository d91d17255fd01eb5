"""Is everything all right?"""

from __future__ import annotations

from deploy.telemetry.panels import Dashboard, Panel, Query, Row, stat, warn
from deploy.telemetry.queries import RATE, quantiles, rate_of
from deploy.telemetry.slo import SLOS, Slo, ratio


def _objective(slo: Slo, title: str) -> Panel:
    return stat(
        title,
        Query(f"1 - {ratio(slo, '3d')}", says="traffic"),
        f"Share of good events in three days; the objective is {slo.objective:.1%}.",
        unit="percentunit",
        steps=[],
    )


def _burning() -> Panel:
    """Grafana colours upwards, so what is shown is the burn, not what is left."""
    queries = [
        Query(f"{ratio(slo, window)} / {slo.budget:g}", f"{slo.name} {window}", "traffic")
        for slo in SLOS
        for window in ("5m", "1h", "6h")
    ]
    return Panel(
        "Burn rate of the objectives",
        queries,
        "1 spends the budget of 30 days in 30 days. Pages begin at 6 (6 h) and 14.4 (1 h).",
        width=12,
        steps=warn(6, 14.4),
    )


def overview() -> Dashboard:
    return Dashboard(
        "okno-overview",
        "Okno: overview",
        "Is everything all right? Objectives, the two journeys, and what waits.",
        [
            Row(
                "Objectives",
                [
                    _objective(SLOS[0], "Messages in a ticket within 5 s"),
                    _objective(SLOS[1], "Replies in the chat within 30 s"),
                    _objective(SLOS[2], "API answers without 5xx"),
                    stat(
                        "Alerts that page",
                        Query(
                            'count(ALERTS{alertstate="firing", severity="page", alertname=~"Okno.*"})', says="trouble"
                        ),
                        "Nothing to show is good.",
                        steps=[(1, "red")],
                    ),
                    stat(
                        "Processes up",
                        Query('sum(up{job="okno"}) / count(up{job="okno"})'),
                        "Share of scraped processes that answer.",
                        unit="percentunit",
                        steps=[],
                    ),
                    stat(
                        "Processes not ready",
                        Query("count(okno_process_ready) - sum(okno_process_ready)"),
                        "Those that a readiness check speaks against.",
                        steps=[(1, "red")],
                    ),
                ],
            ),
            Row(
                "Journeys",
                [
                    Panel(
                        "Webhook to ticket",
                        quantiles("okno_webhook_to_ticket_seconds", "platform"),
                        "From the arrival of a customer's message to its ticket, end to end.",
                        unit="s",
                        width=12,
                        steps=[(5, "red")],
                    ),
                    Panel(
                        "Reply to chat",
                        quantiles("okno_reply_to_chat_seconds", "platform"),
                        "From a reply's request to the chat, rate limits and retries included.",
                        unit="s",
                        width=12,
                        steps=[(30, "red")],
                    ),
                    _burning(),
                    Panel(
                        "Messages and replies",
                        [
                            Query(
                                f"sum by (platform) (rate(okno_webhook_to_ticket_seconds_count[{RATE}]))",
                                "in {{platform}}",
                                "traffic",
                            ),
                            Query(
                                f"sum by (platform) (rate(okno_reply_to_chat_seconds_count[{RATE}]))",
                                "out {{platform}}",
                                "traffic",
                            ),
                        ],
                        "A second.",
                        unit="reqps",
                        width=12,
                    ),
                ],
            ),
            Row(
                "What waits",
                [
                    stat(
                        "Longest lag of a consumer",
                        Query("max(okno:consumer_lag_seconds:max)"),
                        "Age of the oldest unprocessed record.",
                        unit="s",
                        steps=warn(10, 60),
                    ),
                    stat(
                        "Oldest outbox row",
                        Query("max(okno:outbox_oldest_age_seconds:max)"),
                        "Committed and not in Kafka yet.",
                        unit="s",
                        steps=warn(10, 60),
                    ),
                    stat(
                        "Oldest reply that waits",
                        Query("max(okno_deliveries_oldest_age_seconds)", says="traffic"),
                        "Paused ones don't count.",
                        unit="s",
                        steps=warn(60, 300),
                    ),
                    stat(
                        "Dead letters that wait",
                        Query("sum(max by (consumer, cause) (okno_dead_letters_waiting))", says="trouble"),
                        "Somebody has to replay or discard them. Nothing to show: there never were any.",
                        steps=warn(1, 50),
                    ),
                    stat(
                        "Replies failed in an hour",
                        Query('sum(increase(okno_deliveries_total{state=~"failed|unknown"}[1h]))', says="trouble"),
                        "Failed, or unknown whether they arrived.",
                        steps=warn(1, 20),
                    ),
                    stat(
                        "Connections to platforms",
                        Query("min(okno_transport_connected)", says="trouble"),
                        "Socket Mode and long polling; nothing to show with webhooks.",
                        steps=[],
                    ),
                ],
            ),
            Row(
                "Tickets",
                [
                    Panel(
                        "Tickets",
                        [rate_of("okno_tickets_total", "platform", "change")],
                        "Opened, reopened, closed.",
                        width=12,
                    ),
                    Panel(
                        "Decisions",
                        [rate_of("okno_router_decisions_total", "rule")],
                        "By rule; `duplicate` is an event that came again, `echo` a post of ours that came back.",
                        width=12,
                        stacked=True,
                    ),
                ],
            ),
        ],
    )
