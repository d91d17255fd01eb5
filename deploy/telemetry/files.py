"""Which files are generated."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from deploy.telemetry import slo
from deploy.telemetry.dashboards import DASHBOARDS

DEPLOY = Path(__file__).parents[1]
RULES = DEPLOY / "prometheus"
GRAFANA = DEPLOY / "grafana"
RUNBOOKS = DEPLOY.parent / "docs" / "runbooks"

HEAD = "# Written by `make telemetry` from deploy/telemetry/slo.py: change it there.\n"


def generated() -> dict[Path, str]:
    """Path and content of each generated file."""
    written = yaml.safe_dump(slo.rules(), sort_keys=False, width=200, allow_unicode=True)
    return {RULES / "okno-slo.rules.yaml": HEAD + written} | {
        GRAFANA / f"{name}.json": json.dumps(dashboard().json(), indent=1, ensure_ascii=False) + "\n"
        for name, dashboard in DASHBOARDS.items()
    }
