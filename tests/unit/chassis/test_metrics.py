"""Every metric has a sentence, a unit and a line in the documentation, and nothing is labelled by an id."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase

from chassis import metrics

OURS = {name: found for name, found in vars(metrics).items() if isinstance(found, MetricWrapperBase)}
FEW_VALUES = {
    "action",
    "bucket",
    "cause",
    "change",
    "component",
    "consumer",
    "lease",
    "loop",
    "method",
    "outcome",
    "partition",
    "platform",
    "reason",
    "result",
    "route",
    "rule",
    "state",
    "status",
    "table",
    "topic",
    "type",
}


def full_name(metric: MetricWrapperBase) -> str:
    [family] = list(metric.describe())
    return f"{family.name}_total" if isinstance(metric, Counter) else family.name


@pytest.mark.parametrize("name", OURS)
def test_a_metric_has_a_sentence_and_a_name_with_its_unit(name: str) -> None:
    metric = OURS[name]
    [family] = list(metric.describe())
    assert family.documentation.endswith(".")
    assert family.name.startswith("okno_")
    if isinstance(metric, Histogram):
        assert family.name.endswith(("_seconds", "_records"))
    else:
        assert isinstance(metric, Counter | Gauge | Info)


@pytest.mark.parametrize("name", OURS)
def test_labels_have_few_values(name: str) -> None:
    assert set(OURS[name]._labelnames) <= FEW_VALUES


def test_the_documentation_lists_exactly_the_metrics_that_exist() -> None:
    page = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `okno_")]
    listed = {row.split("`")[1]: row for row in rows}
    assert set(listed) == {full_name(metric) for metric in OURS.values()}
    for metric in OURS.values():
        for label in metric._labelnames:
            assert f"`{label}`" in listed[full_name(metric)], full_name(metric)
