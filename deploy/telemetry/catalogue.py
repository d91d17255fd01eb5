"""Every series that a query may name, with its labels: Okno's own from the code, recorded ones from the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Counter, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase

from chassis import metrics
from deploy.telemetry.promql import names

TARGET = frozenset({"job", "instance"})
"""Labels that each scraped series has."""

OTHERS: Mapping[str, frozenset[str]] = {
    "up": TARGET,
    "process_cpu_seconds_total": TARGET,
    "process_resident_memory_bytes": TARGET,
    "process_start_time_seconds": TARGET,
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
}


def scraped() -> dict[str, frozenset[str]]:
    """What a scrape of Okno's processes can give."""
    found = dict(OTHERS)
    for metric in vars(metrics).values():
        if not isinstance(metric, MetricWrapperBase):
            continue
        [family] = list(metric.describe())
        labels = frozenset(metric._labelnames) | TARGET  # noqa: SLF001 - there is no public way to ask
        match metric:
            case Histogram():
                found |= {f"{family.name}_{part}": labels for part in ("sum", "count")}
                found[f"{family.name}_bucket"] = labels | {"le"}
            case Counter():
                found[f"{family.name}_total"] = labels
            case Info():
                found[f"{family.name}_info"] = labels | {"kind", "name"}
            case _:
                found[family.name] = labels
    return found


def rules(folder: Path) -> Iterator[Mapping[str, Any]]:
    """All rules of a folder's files."""
    for path in sorted(folder.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def series(folder: Path) -> dict[str, frozenset[str]]:
    """What is scraped and what the folder's rules record."""
    found = scraped()
    return found | {rule["record"]: names(rule["expr"]).grouped - {"le"} for rule in rules(folder) if "record" in rule}


def mistakes(expr: str, known: Mapping[str, frozenset[str]], templates: frozenset[str] = frozenset()) -> list[str]:
    """What a query names that doesn't exist; `templates` are the labels that its legend or annotations show."""
    said = names(expr)
    wrong = [f"no metric {name}" for name, _ in said.selectors if name not in known]
    there = frozenset().union(*(known.get(name, frozenset()) for name, _ in said.selectors))
    for name, labels in said.selectors:
        wrong += [f"{name} has no label {label}" for label in sorted(labels - known.get(name, labels))]
    wrong += [f"no label {label} to group by" for label in sorted(said.grouped - there)]
    shown = templates - (said.grouped or there)
    wrong += [f"no label {label} in what comes out" for label in sorted(shown)]
    return wrong
