"""Every alert has a fault of the running stack that makes it fire."""

from __future__ import annotations

from deploy.telemetry import catalogue, files
from deploy.telemetry.faults import FAULTS


def test_each_alert_has_its_fault() -> None:
    alerts = {rule["alert"] for rule in catalogue.rules(files.RULES) if "alert" in rule}
    assert {name for group in FAULTS for fault in group for name in fault.proves} == alerts
