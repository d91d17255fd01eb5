"""Receipts leave through the outbox, in the transaction that changed the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from chassis import metrics, outbox
from chassis.database import Connection
from contracts.keys import platform_of
from services.notifier.ledger.entry import Entry

SOURCE = "okno/notifier"


async def write(connection: Connection, entries: Iterable[Entry]) -> None:
    """Write what the entries have issued, in order of their versions."""
    rows = []
    for entry in entries:
        platform = platform_of(entry.channel_key)
        for receipt in entry.receipts:
            model = receipt.model
            rows.append(outbox.row(model, source=SOURCE, time=model.at, traceparent=receipt.traceparent))
            cause = model.error.code if model.error is not None else "none"
            metrics.deliveries.labels(platform, model.state, cause).inc()
        entry.receipts.clear()
    if rows:
        await outbox.add(connection, rows)
