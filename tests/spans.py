"""The spans that a test's own process records, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import telemetry


@asynccontextmanager
async def recorded(*, ratio: float) -> AsyncIterator[InMemorySpanExporter]:
    """Until the end; of journeys that begin here the share `ratio`."""
    exporter = InMemorySpanExporter()
    telemetry.install(SimpleSpanProcessor(exporter), ratio=ratio)
    yield exporter
    await telemetry.shutdown()
