"""Queries that panels are made of. `says` of a query: when it has something to return."""

from __future__ import annotations

from deploy.telemetry.panels import Query, Says

RATE = "$__rate_interval"
WITH_KIND = "* on (job, instance) group_left (kind) okno_process_info"
"""Joins the kind of process to a metric of a process."""


def quantile(share: float, metric: str, *by: str) -> str:
    labels = ", ".join((*by, "le"))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[{RATE}])))"


def quantiles(metric: str, *by: str) -> list[Query]:
    names = " ".join(f"{{{{{label}}}}}" for label in by)
    return [
        Query(quantile(share, metric, *by), f"p{share * 100:g} {names}".strip(), "traffic") for share in (0.5, 0.99)
    ]


def rate_of(metric: str, *by: str, select: str = "", says: Says = "traffic") -> Query:
    legend = " ".join(f"{{{{{label}}}}}" for label in by)
    selector = f"{metric}{{{select}}}" if select else metric
    return Query(f"sum by ({', '.join(by)}) (rate({selector}[{RATE}]))", legend, says)


def share_of(metric: str, select: str, *by: str) -> str:
    """The selected part of a counter's rate among all of it."""
    grouped = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{grouped} (rate({metric}{{{select}}}[{RATE}])) / {grouped} (rate({metric}[{RATE}]))"
