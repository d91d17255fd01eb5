"""Panels and dashboards in Grafana's JSON (schema of Grafana 11), as few kinds as are needed.

A panel is `width` of 24 columns wide; rows of panels are laid out from left to right. `$datasource` chooses Prometheus,
`$__rate_interval` is Grafana's own: at least four scrapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

SCHEMA = 39
"""Grafana 11's."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
Says = Literal["always", "traffic", "trouble"]


@dataclass(frozen=True, slots=True)
class Query:
    """`legend` is Grafana's template of a series' name. `says`: when the query has something to return: always, with
    traffic, or only in trouble.
    """

    expr: str
    legend: str = ""
    says: Says = "always"


@dataclass(frozen=True, slots=True)
class Panel:
    """`steps` are thresholds, rising: (from which value on, colour); below the first it is green. For `stat` panels
    they colour the value, for graphs they are drawn.
    """

    title: str
    queries: Sequence[Query]
    says: str
    kind: Literal["timeseries", "stat"] = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    steps: Sequence[tuple[float, str]] = ()
    stacked: bool = False
    minimum: float | None = 0


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: Sequence[Panel] = field(default_factory=tuple)


def stat(title: str, query: Query, says: str, *, unit: str = "short", steps: Sequence[tuple[float, str]]) -> Panel:
    """One number, coloured by its thresholds."""
    return Panel(title, [query], says, "stat", unit, 4, 4, steps)


def warn(at: float, bad: float) -> list[tuple[float, str]]:
    """Orange from the first value on, red from the second."""
    return [(at, "orange"), (bad, "red")]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`uid` stays, so that links to it hold."""

    uid: str
    title: str
    says: str
    rows: Sequence[Row]

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Each query with the title of its panel."""
        for row in self.rows:
            for panel in row.panels:
                for query in panel.queries:
                    yield panel.title, query

    def json(self) -> Json:
        """The whole document."""
        return _document(self.uid, self.title, self.says, self.rows)


def _document(uid: str, title: str, says: str, rows: Sequence[Row]) -> Json:
    panels: list[Json] = []
    y = 0
    for row in rows:
        panels.append(
            {
                "id": len(panels) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": [],
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
            }
        )  # fmt: skip
        y += 1
        x = highest = 0
        for panel in row.panels:
            if x + panel.width > 24:
                x, y, highest = 0, y + highest, 0
            place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            panels.append(_panel(panel, len(panels) + 1, place))
            x, highest = x + panel.width, max(highest, panel.height)
        y += highest
    return {
        "uid": uid,
        "title": title,
        "description": says,
        "tags": ["okno"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards", "tags": ["okno"], "title": "Okno", "asDropdown": True, "includeVars": True,
                "keepTime": True, "icon": "external link", "targetBlank": False, "tooltip": "", "url": "",
            }
        ],
        "templating": {
            "list": [
                {
                    "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
                    "refresh": 1, "regex": "", "hide": 0, "multi": False, "includeAll": False, "options": [],
                    "current": {},
                }
            ]
        },
        "panels": panels,
    }  # fmt: skip


def _panel(panel: Panel, number: int, place: Json) -> Json:
    defaults: Json = {
        "unit": panel.unit,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": "green", "value": None}]
            + [{"color": color, "value": value} for value, color in panel.steps],
        },
    }
    if panel.minimum is not None:
        defaults["min"] = panel.minimum
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if panel.steps else "off"},
        }
        options: Json = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    else:
        defaults["color"] = {"mode": "thresholds"}
        options = {
            "colorMode": "background",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "editorMode": "code",
                "range": True,
                "instant": False,
                "exemplar": "_bucket" in query.expr,
            }
            for index, query in enumerate(panel.queries)
        ],
    }
