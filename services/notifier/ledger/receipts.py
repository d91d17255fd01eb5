"""Receipts leave through the outbox, in the transaction that changed the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from chassis import metrics, outbox
from chassis.database import Connection
from contracts.keys import platform_of
from services.notifier.ledger.entry import Entry, Receipt

SOURCE = "okno/notifier"


async def write(connection: Connection, entries: Iterable[Entry], others: Iterable[Receipt] = ()) -> None:
    """Write what the entries have issued, in order of their versions, and receipts of deliveries without an entry."""
    issued = list(others)
    for entry in entries:
        issued += entry.receipts
        entry.receipts.clear()
    rows = []
    for receipt in issued:
        model = receipt.model
        rows.append(outbox.row(model, source=SOURCE, time=model.at, traceparent=receipt.traceparent))
        cause = model.error.code if model.error is not None else "none"
        metrics.deliveries.labels(platform_of(model.channel_key), model.state, cause).inc()
    if rows:
        await outbox.add(connection, rows)
