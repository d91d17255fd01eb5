"""Which receipts on the log the ledger doesn't show (chassis/published.py)."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Connection
from contracts.chat_receipts_v1 import DeliveryChanged

MISSING = """
SELECT a.record_id
  FROM unnest($1::text[], $2::text[], $3::int[]) AS a (record_id, delivery_id, version)
 WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.delivery_id = a.delivery_id AND d.version >= a.version)"""


async def missing_receipts(connection: Connection, receipts: Sequence[DeliveryChanged]) -> list[str]:
    """Receipts of deliveries that aren't there, or not at that version yet."""
    rows = await connection.fetch(
        MISSING,
        [receipt.record_id for receipt in receipts],
        [receipt.delivery_id for receipt in receipts],
        [receipt.version for receipt in receipts],
    )
    return [row["record_id"] for row in rows]
