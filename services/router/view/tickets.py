"""What ticketing says of tickets: a conversation's ticket and its state, by version."""

from collections.abc import Sequence

from chassis.database import Connection
from chassis.records import Record
from contracts.ticket_events_v1 import TicketChanged

_STORE = """
WITH stored AS (
    INSERT INTO tickets (ticket_id, version, number, status, ended_at, last_customer_message_at, changed_at)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[],
        $7::timestamptz[])
    ON CONFLICT (ticket_id) DO UPDATE SET version = excluded.version, number = excluded.number,
        status = excluded.status, ended_at = excluded.ended_at,
        last_customer_message_at = excluded.last_customer_message_at, changed_at = excluded.changed_at
    WHERE tickets.version < excluded.version
)
INSERT INTO ticket_conversations (conversation_id, ticket_id, place_key, changed_at)
SELECT * FROM unnest($8::text[], $9::text[], $10::text[], $11::timestamptz[])
ON CONFLICT (conversation_id) DO UPDATE SET ticket_id = excluded.ticket_id, place_key = excluded.place_key,
    changed_at = excluded.changed_at
WHERE ticket_conversations.changed_at < excluded.changed_at
    AND (ticket_conversations.ticket_id, ticket_conversations.place_key) <> (excluded.ticket_id, excluded.place_key)"""


async def store_tickets(connection: Connection, records: Sequence[Record]) -> None:
    """Only each ticket's newest version of the batch is written, in the order of ids."""
    newest: dict[str, TicketChanged] = {}
    for record in records:
        if record.envelope is None or not isinstance(record.envelope.data, TicketChanged):
            continue
        event = record.envelope.data
        if event.ticket_id not in newest or newest[event.ticket_id].version < event.version:
            newest[event.ticket_id] = event
    events = sorted(newest.values(), key=lambda event: event.ticket_id)
    conversations = {}
    for event in sorted(events, key=lambda event: event.at):
        for conversation in event.ticket.conversations:
            conversations[conversation.id] = (event.ticket_id, conversation.place.key, event.at)
    ordered = sorted(conversations.items())
    await connection.execute(
        _STORE,
        [event.ticket_id for event in events],
        [event.version for event in events],
        [event.ticket.number for event in events],
        [event.ticket.status for event in events],
        [event.ticket.ended_at for event in events],
        [event.ticket.last_customer_message_at for event in events],
        [event.at for event in events],
        [key for key, _ in ordered],
        [ticket_id for _, (ticket_id, _, _) in ordered],
        [place_key for _, (_, place_key, _) in ordered],
        [at for _, (_, _, at) in ordered],
    )
