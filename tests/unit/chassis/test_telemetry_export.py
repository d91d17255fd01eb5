"""What happens to spans is counted, and an absent collector is told once, not with every batch."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from chassis import metrics
from chassis.telemetry_export import CountingExporter, CountingProcessor

SPANS = [ReadableSpan("one"), ReadableSpan("two")]


class Collector(SpanExporter):
    def __init__(self) -> None:
        self.away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.FAILURE if self.away else SpanExportResult.SUCCESS


def count(result: str) -> float:
    return metrics.REGISTRY.get_sample_value("okno_spans_total", {"result": result}) or 0


@pytest.mark.parametrize(("away", "result"), [(False, "sent"), (True, "failed")])
def test_spans_are_counted_by_what_became_of_them(away: bool, result: str) -> None:
    collector = Collector()
    collector.away = away
    before = count(result)
    CountingExporter(collector).export(SPANS)
    assert count(result) == before + 2


def test_an_absent_collector_is_told_once_and_so_is_its_return() -> None:
    collector = Collector()
    exporter = CountingExporter(collector)
    with capture_logs() as logged:
        exporter.export(SPANS)
        collector.away = True
        exporter.export(SPANS)
        exporter.export(SPANS)
        collector.away = False
        exporter.export(SPANS)
        exporter.export(SPANS)
    assert [line["event"] for line in logged] == ["collector_away", "collector_back"]


class SlowCollector(Collector):
    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.go_on.wait()
        return super().export(spans)


def test_spans_for_which_the_queue_has_no_room_are_counted() -> None:
    collector = SlowCollector()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(CountingProcessor(collector, 2, every_ms=3_600_000, batch=1))
    tracer = provider.get_tracer("test")
    before, sent = count("dropped"), count("sent")
    tracer.start_span("with the collector").end()
    assert collector.asked.wait(10)
    for _ in range(2 + 3):
        tracer.start_span("waits").end()
    assert count("dropped") == before + 3
    collector.go_on.set()
    provider.shutdown()
    assert count("sent") == sent + 3
