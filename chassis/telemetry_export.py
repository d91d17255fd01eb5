"""The way out of spans is counted: lost spans show in a metric and one log line, and nowhere else do they do harm."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from chassis import metrics
from chassis.logs import get_logger

log = get_logger("telemetry")


class CountingExporter(SpanExporter):
    """An exporter that counts what another one sent and failed to send, and tells when that changes.

    The SDK itself would write a line for every failed attempt, for as long as the collector is away.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._sending = True
        metrics.from_zero(metrics.spans_exported, ("sent", "failed", "dropped"))
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        sent = result is SpanExportResult.SUCCESS
        metrics.spans_exported.labels("sent" if sent else "failed").inc(len(spans))
        if sent and not self._sending:
            log.info("collector_back")
        elif not sent and self._sending:
            log.warning("collector_away", spans_lost=len(spans))
        self._sending = sent
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class CountingProcessor(BatchSpanProcessor):
    """Counts the spans for which the queue has no room. The SDK drops the oldest and tells it in a log line only."""

    def __init__(self, exporter: SpanExporter, queue: int, *, every_ms: int, batch: int) -> None:
        super().__init__(CountingExporter(exporter), queue, schedule_delay_millis=every_ms, max_export_batch_size=batch)
        self._room = queue

    def on_end(self, span: ReadableSpan) -> None:
        if len(self._batch_processor._queue) >= self._room:  # noqa: SLF001 - there is no public way to ask
            metrics.spans_exported.labels("dropped").inc()
        super().on_end(span)
