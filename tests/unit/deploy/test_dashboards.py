"""Dashboards are what Grafana's own models say: nothing is unknown to them, and values are of their types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import ConfigDict, TypeAdapter, ValidationError

from deploy.telemetry import files

register_default_plugins()
OVERVIEW = files.GRAFANA / "okno-overview.json"


def mistakes(document: Any) -> list[str]:
    """Where a dashboard isn't what Grafana's models say."""
    dashboard = Dashboard.from_json(document)
    return [*_lost(document, json.loads(JSONEncoder().encode(dashboard)), ""), *_wrong(dashboard, "")]


def _lost(given: Any, kept: Any, path: str) -> Iterator[str]:
    """What the models drop, since they don't know it."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key in kept:
                yield from _lost(value, kept[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is unknown"
    elif isinstance(given, list) and isinstance(kept, list):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(one, other, f"{path}[{number}]")
    elif given != kept:
        yield f"{path} is {given!r}, read as {kept!r}"


def _wrong(value: Any, path: str, hint: Any = None) -> Iterator[str]:
    """Values that aren't of their model's types, such as a word that is none of an enumeration."""
    if isinstance(value, list) and any(hasattr(one, "to_json") for one in value):
        for number, one in enumerate(value):
            yield from _wrong(one, f"{path}[{number}]")
    elif hasattr(value, "to_json"):
        for name, inner in get_type_hints(type(value)).items():
            yield from _wrong(getattr(value, name), f"{path}.{name}", inner)
    elif hint is not None:
        try:
            adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
            adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            yield f"{path} is {value!r}: {error.errors()[0]['msg']}"


@pytest.mark.parametrize("name", sorted(path.stem for path in files.GRAFANA.glob("*.json")))
def test_a_dashboard_is_what_grafana_s_models_say(name: str) -> None:
    assert mistakes(json.loads((files.GRAFANA / f"{name}.json").read_text())) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tooltip", True),
        ("graphTooltip", 7),
        ("refresh", 30),
        ("templating.list.0.type", "data source"),
        ("panels.1.gridPos.h", "4"),
        ("panels.1.legendFormat", "{{platform}}"),
        ("panels.1.options.colorMode", "back"),
        ("panels.1.fieldConfig.defaults.thresholds.mode", "percent"),
        ("panels.1.fieldConfig.defaults.units", "s"),
        ("panels.8.targets.0.legend", "{{platform}}"),
        ("panels.8.targets.0.exemplar", "yes"),
        ("panels.8.options.legend.placement", "top"),
        ("panels.8.fieldConfig.defaults.custom.drawStyle", "lines"),
        ("panels.8.fieldConfig.defaults.custom.fill", 5),
    ],
)
def test_a_mistake_is_found(path: str, value: Any) -> None:
    document = json.loads(OVERVIEW.read_text())
    *way, last = path.split(".")
    place = document
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    [found] = mistakes(document)
    assert re.sub(r"[^a-z]", "", last.lower()) in re.sub(r"[^a-z]", "", found.lower())
