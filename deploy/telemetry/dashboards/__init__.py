"""The four dashboards."""

from collections.abc import Callable, Mapping

from deploy.telemetry.dashboards.api import api
from deploy.telemetry.dashboards.consumers import consumers
from deploy.telemetry.dashboards.deliveries import deliveries
from deploy.telemetry.dashboards.overview import overview
from deploy.telemetry.panels import Dashboard

DASHBOARDS: Mapping[str, Callable[[], Dashboard]] = {
    "okno-overview": overview,
    "okno-consumers": consumers,
    "okno-deliveries": deliveries,
    "okno-api": api,
}
