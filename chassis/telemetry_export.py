"""The way out of spans is counted: lost spans show in a metric, and nowhere else do they do harm."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from chassis import metrics


class CountingExporter(SpanExporter):
    """An exporter that counts what another one sent and failed to send."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        sent = result is SpanExportResult.SUCCESS
        metrics.spans_exported.labels("sent" if sent else "failed").inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
