"""How long the worker remembers: what it published, and what it still hopes to fetch."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from chassis.pruning import Rule, by_age, leftovers
from services.ingest.settings import IngestWorkerSettings


def rules(settings: IngestWorkerSettings, consumers: Mapping[str, Sequence[str]]) -> Sequence[Rule]:
    """docs/retention.md says why each age is long enough."""
    return [
        by_age("jobs", "created_at", timedelta(days=settings.retain_jobs_days)),
        by_age("profiles", "fetched_at", timedelta(days=settings.retain_profiles_days)),
        *leftovers(consumers),
    ]
