"""What is answered about a delivery that the ledger doesn't have any more: its operation ends, nothing waits for it.

The ledger had it if its sender has seen receipts of it; their version goes on, and the last one is kept. Without any,
its post is yet to come (it may be a dead letter), and what is about it waits in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from chassis.database import Connection
from chassis.errors import DataError
from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryError, DeliveryState, Operation
from contracts.chat_replies_v1 import DeleteReply, EditReply, ReplyInstruction, ResendReply
from services.notifier.ledger.entry import Receipt

FORGOTTEN = DeliveryError(
    code="delivery_forgotten",
    text="The answer is too old: Okno no longer knows which message in the chat it is. Change it in the chat itself, "
    "or write a new one.",
)


VERSIONS = "(SELECT delivery_id, version FROM deliveries UNION ALL SELECT delivery_id, version FROM forgotten)"
"""In place of a table: of every delivery that receipts were issued of, the last version."""

# The sender may not have seen the last one yet.
_ISSUE = """
INSERT INTO forgotten AS f (delivery_id, version) VALUES ($1, $2::int + 1)
ON CONFLICT (delivery_id) DO UPDATE SET version = greatest(f.version, $2) + 1, at = clock_timestamp()
RETURNING version"""
_ISSUED = """
INSERT INTO forgotten AS f (delivery_id, version) SELECT * FROM unnest($1::text[], $2::int[])
ON CONFLICT (delivery_id) DO UPDATE SET version = greatest(f.version, excluded.version), at = clock_timestamp()"""


async def end(connection: Connection, given: ReplyInstruction, traceparent: str | None, at: datetime) -> Receipt:
    """How the operation ends: `failed`; what a person decided about the post's fate leaves that `unknown`.

    Each receipt has the next version. Raises DataError where the ledger never had the delivery.
    """
    if not given.seen_version or given.conversation_id is None:
        raise DataError("unknown_delivery", f"{type(given).__name__} is about a delivery that the ledger doesn't have")
    match given:
        case EditReply():
            operation, state = Operation.EDIT, DeliveryState.FAILED
        case DeleteReply():
            operation, state = Operation.DELETE, DeliveryState.FAILED
        case ResendReply():
            operation, state = Operation.POST, DeliveryState.FAILED
        case _:
            operation, state = Operation.POST, DeliveryState.UNKNOWN
    model = DeliveryChanged(
        delivery_id=given.delivery_id,
        version=await connection.fetchval(_ISSUE, given.delivery_id, given.seen_version),
        channel_key=given.channel_key,
        conversation_id=given.conversation_id,
        operation=operation,
        state=state,
        at=at,
        error=FORGOTTEN,
        requested_at=given.requested_at,
    )
    return Receipt(model, traceparent)


async def keep(connection: Connection, versions: Mapping[str, int]) -> None:
    """The ledger doesn't have these deliveries; receipts of them were issued up to these versions."""
    await connection.execute(_ISSUED, list(versions), list(versions.values()))
