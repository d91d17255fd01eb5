"""How long the router remembers. A decision record recognises what comes again; the view says where talk belongs.

The view forgets whole tickets, ended ones, with their conversations and places: what is written there later opens anew.
"""

from collections.abc import Sequence
from datetime import timedelta

from chassis.pruning import Rule, by_age, leftovers
from services.router.settings import RouterSettings
from services.router.worker import CONSUMER, TOPICS

# All of a ticket in one statement, so that no conversation is left without the ticket that it had.
_TICKETS = """
WITH old AS MATERIALIZED (
    SELECT ticket_id FROM tickets
    WHERE changed_at < $1 AND ended_at < $1 AND status IN ('solved', 'closed')
    LIMIT $2 FOR UPDATE SKIP LOCKED
), links AS (
    DELETE FROM ticket_conversations tc USING old WHERE tc.ticket_id = old.ticket_id RETURNING tc.conversation_id
), talks AS (
    DELETE FROM conversations c USING links WHERE c.conversation_id = links.conversation_id
    RETURNING c.conversation_id, c.place_key
), homes AS (
    DELETE FROM places p USING talks
    WHERE p.place_key = talks.place_key AND p.conversation_id = talks.conversation_id RETURNING p.place_key
), joined AS (
    DELETE FROM places p USING homes WHERE p.alias_of = homes.place_key
)
DELETE FROM tickets t USING old WHERE t.ticket_id = old.ticket_id"""

# Conversations of which ticketing never told a ticket: as in observe mode.
_UNTOLD = """
WITH old AS MATERIALIZED (
    SELECT c.conversation_id, c.place_key FROM conversations c
    WHERE c.known_since < $1
        AND NOT EXISTS (SELECT FROM ticket_conversations tc WHERE tc.conversation_id = c.conversation_id)
        AND NOT EXISTS (SELECT FROM tickets t WHERE t.ticket_id = c.opening_ticket_id)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), homes AS (
    DELETE FROM places p USING old
    WHERE p.place_key = old.place_key AND p.conversation_id = old.conversation_id RETURNING p.place_key
), joined AS (
    DELETE FROM places p USING homes WHERE p.alias_of = homes.place_key
)
DELETE FROM conversations c USING old WHERE c.conversation_id = old.conversation_id"""


def rules(settings: RouterSettings) -> Sequence[Rule]:
    """docs/retention.md says why each age is long enough."""
    changes = timedelta(days=settings.retain_early_changes_days)
    view = timedelta(days=settings.retain_view_days)
    return [
        by_age("decisions", "decided_at", timedelta(days=settings.retain_decisions_days)),
        by_age("early_changes", "kept_since", changes),
        by_age("posts", "changed_at", changes, only="begun_at IS NULL"),
        by_age("posts", "changed_at", view),
        by_age("messages", "known_since", view),
        Rule("tickets", _TICKETS, view),
        Rule("conversations", _UNTOLD, view),
        *leftovers({CONSUMER: TOPICS}),
    ]
