"""How long the notifier remembers: instructions, so that each is applied once; the ledger, so that replies can change.

A delivery that isn't finished, or about which a person has to decide, stays whatever its age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from chassis.pruning import Rule, by_age, leftovers
from services.notifier.settings import NotifierSettings

BUCKETS = timedelta(days=1)
"""One that has been full for so long says what no bucket says: there is room."""

# Whoever changes a delivery holds its row: a delivery in hand is skipped.
_DELIVERIES = """
WITH old AS MATERIALIZED (
    SELECT d.delivery_id FROM deliveries d
    WHERE d.created_at < $1 AND NOT EXISTS (
        SELECT FROM operations o WHERE o.delivery_id = d.delivery_id
            AND (o.state NOT IN ('sent', 'failed', 'cancelled') OR o.queued_at >= $1 OR o.ended_at >= $1)
    )
    LIMIT $2 FOR UPDATE SKIP LOCKED
), done AS (
    DELETE FROM operations o USING old WHERE o.delivery_id = old.delivery_id
), posted AS (
    DELETE FROM parts p USING old WHERE p.delivery_id = old.delivery_id
)
DELETE FROM deliveries d USING old WHERE d.delivery_id = old.delivery_id"""


def rules(settings: NotifierSettings, consumers: Mapping[str, Sequence[str]]) -> Sequence[Rule]:
    """docs/retention.md says why each age is long enough."""
    return [
        by_age("instructions", "applied_at", timedelta(days=settings.retain_instructions_days)),
        Rule("deliveries", _DELIVERIES, timedelta(days=settings.retain_ledger_days)),
        by_age("forgotten", "at", timedelta(days=settings.retain_instructions_days)),
        by_age("buckets", "full_at", BUCKETS, only="held_until < $1"),
        *leftovers(consumers),
    ]
