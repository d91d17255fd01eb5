"""API, PostgreSQL, and the processes themselves."""

from __future__ import annotations

from deploy.telemetry.panels import Dashboard, Panel, Query, Row
from deploy.telemetry.queries import RATE, quantiles, rate_of
from deploy.telemetry.slo import SLOS, ratio


def api() -> Dashboard:
    return Dashboard(
        "okno-api",
        "Okno: API and PostgreSQL",
        "Requests to the ticketing API, the database as the processes see it, and the processes themselves.",
        [
            Row(
                "API",
                [
                    Panel(
                        "Requests",
                        [rate_of("okno_api_request_seconds_count", "method", "status")],
                        "A second, by method and status.",
                    ),
                    Panel(
                        "Share of 5xx",
                        [Query(ratio(SLOS[2], "5m"), "5xx", "traffic")],
                        "In five minutes; the objective is 0.1 %.",
                        unit="percentunit",
                        steps=[(0.001, "orange"), (0.0144, "red")],
                    ),
                    Panel(
                        "Time of a request",
                        quantiles("okno_api_request_seconds", "route", "method"),
                        "By route.",
                        unit="s",
                    ),
                    Panel(
                        "Commands",
                        [rate_of("okno_ticket_commands_total", "type", "outcome")],
                        "What ticketing did with the router's decisions; `duplicate` changes nothing.",
                    ),
                ],
            ),
            Row(
                "PostgreSQL",
                [
                    Panel(
                        "Wait for a connection",
                        [Query("okno:database_pool_wait_seconds:p99", "{{instance}}", "traffic")],
                        "p99.",
                        unit="s",
                        steps=[(0.25, "orange")],
                    ),
                    Panel(
                        "Connections",
                        [Query("sum by (instance, state) (okno_database_pool_connections)", "{{instance}} {{state}}")],
                        "Of the pools.",
                    ),
                    Panel(
                        "Rows pruned",
                        [rate_of("okno_pruned_rows_total", "table", says="trouble")],
                        "Old enough to be removed.",
                    ),
                ],
            ),
            Row(
                "Processes",
                [
                    Panel(
                        "CPU",
                        [
                            Query(
                                f'sum by (instance) (rate(process_cpu_seconds_total{{job="okno"}}[{RATE}]))',
                                "{{instance}}",
                            )
                        ],
                        "Cores.",
                        unit="percentunit",
                    ),
                    Panel(
                        "Memory",
                        [Query('process_resident_memory_bytes{job="okno"}', "{{instance}}")],
                        "Resident.",
                        unit="bytes",
                    ),
                    Panel(
                        "Event loop delay",
                        [Query("okno:event_loop_delay_seconds:p99", "{{instance}}")],
                        "p99.",
                        unit="s",
                        steps=[(0.5, "orange")],
                    ),
                    Panel(
                        "Starts",
                        [
                            Query('changes(process_start_time_seconds{job="okno"}[1h])', "{{instance}}"),
                            Query(
                                "sum by (instance, component) (increase(okno_component_failures_total[1h]))",
                                "{{instance}} {{component}} failed",
                                "trouble",
                            ),
                        ],
                        "In an hour, and components that failed.",
                    ),
                    Panel(
                        "Not ready, stopping",
                        [
                            Query("1 - okno_process_ready", "{{instance}} not ready"),
                            Query("okno_process_stopping", "{{instance}} stopping"),
                        ],
                        "1 is yes.",
                    ),
                    Panel(
                        "Spans",
                        [rate_of("okno_spans_total", "result", says="traffic")],
                        "A second; `failed`: the collector is away, `dropped`: the queue was full.",
                    ),
                ],
            ),
        ],
    )
