"""How long the worker remembers: what it published, what it still hopes to fetch, and what it heard."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from chassis.pruning import Rule, by_age, leftovers
from services.ingest.settings import IngestWorkerSettings
from services.ingest.worker import wishes

HEARD = timedelta(days=30)
LONGEST_GAP = timedelta(days=7)
"""How much longer than the look-back messages are remembered: the longest gap in which every deletion is found."""

_GIVEN_UP = f"kind NOT IN ('{wishes.GAP}', '{wishes.HISTORY}')"  # history is read for as long as it takes

# A message's ordinal is its time in Slack, in microseconds.
_MESSAGES = """
DELETE FROM messages WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM messages WHERE ordinal < (extract(epoch FROM $1::timestamptz) * 1000000)::bigint
    LIMIT $2 FOR UPDATE SKIP LOCKED
))"""


def rules(settings: IngestWorkerSettings, consumers: Mapping[str, Sequence[str]]) -> Sequence[Rule]:
    """docs/retention.md says why each age is long enough."""
    look_back = timedelta(days=settings.slack_backfill_look_back_days)
    return [
        by_age("jobs", "created_at", timedelta(days=settings.retain_jobs_days), only=_GIVEN_UP),
        by_age("profiles", "fetched_at", timedelta(days=settings.retain_profiles_days)),
        Rule("messages", _MESSAGES, look_back + LONGEST_GAP),
        by_age(
            "heard",
            "minute",
            HEARD,
            only="minute > (SELECT min(minute) FROM heard f WHERE f.platform = heard.platform)",
        ),
        *leftovers(consumers),
    ]
