"""What must be remembered only as long as it can come again is removed in time, in small portions."""

from datetime import datetime, timedelta

from chassis.database import Connection

PORTION = 5000

_KEPT = {
    # Kafka keeps commands for 7 days; an operator may read a topic again from an older copy.
    "commands": ("applied_at", timedelta(days=30)),
    "early_changes": ("arrived_at", timedelta(days=7)),
    "early_receipts": ("arrived_at", timedelta(days=7)),
    "idempotency_keys": ("created_at", timedelta(days=7)),
}


async def trim(connection: Connection, now: datetime) -> bool:
    """Remove a portion of what is too old. True when there may be more."""
    more = False
    for table, (column, age) in _KEPT.items():
        done = await connection.execute(
            f"DELETE FROM {table} WHERE ctid = ANY (ARRAY("  # noqa: S608
            f"SELECT ctid FROM {table} WHERE {column} < $1 LIMIT {PORTION}))",
            now - age,
        )
        more = more or done == f"DELETE {PORTION}"
    return more
