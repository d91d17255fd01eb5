"""How long ticketing remembers what isn't a ticket's own: ids that recognise repetitions, former texts, dead letters.

Tickets, messages and their history stay; the messages' keys alone make a late second arrival change nothing.
"""

from collections.abc import Sequence
from datetime import timedelta

from chassis.pruning import Rule, by_age, leftovers
from services.ticketing.settings import TicketingWorkerSettings
from services.ticketing.worker import CONSUMER, DEAD_CONSUMER, DEAD_TOPICS, TOPICS_READ

# All of a message or none, since they are numbered from the first.
_REVISIONS = """
DELETE FROM revisions WHERE message_id IN (
    SELECT message_id FROM revisions r
    WHERE replaced_at < $1
        AND NOT EXISTS (SELECT FROM revisions n WHERE n.message_id = r.message_id AND n.replaced_at >= $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)"""


def rules(settings: TicketingWorkerSettings) -> Sequence[Rule]:
    """docs/retention.md says why each age is long enough."""
    changes = timedelta(days=settings.retain_early_changes_days)
    letters = timedelta(days=settings.retain_dead_letters_days)
    return [
        by_age("commands", "applied_at", timedelta(days=settings.retain_commands_days)),
        by_age("early_receipts", "arrived_at", changes),
        by_age("early_changes", "arrived_at", changes),
        by_age("idempotency_keys", "created_at", timedelta(days=settings.retain_idempotency_keys_days)),
        Rule("revisions", _REVISIONS, timedelta(days=settings.retain_revisions_days)),
        by_age("dead_letters", "settled_at", letters, only="state <> 'waiting'"),
        *leftovers({CONSUMER: TOPICS_READ, DEAD_CONSUMER: DEAD_TOPICS}),
    ]
