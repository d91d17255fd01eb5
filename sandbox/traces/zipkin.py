"""Spans to Zipkin's JSON (version 2), which is what its page reads; losing some when it is slow is fine, waiting for it
is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp

from sandbox.traces.store import Span

_KINDS = {"server": "SERVER", "client": "CLIENT", "producer": "PRODUCER", "consumer": "CONSUMER"}
_BACKLOG = 1_000


def to_zipkin(span: Span) -> dict[str, Any]:
    """One span as Zipkin takes it; times in microseconds."""
    tags = {key: str(value) for key, value in span.attributes.items()}
    if span.error is not None:
        tags["error"] = span.error
    for number, (trace_id, span_id) in enumerate(span.links):
        tags[f"link.{number}"] = f"{trace_id}/{span_id}"
    shown = {
        "traceId": span.trace_id,
        "id": span.span_id,
        "name": span.name,
        "timestamp": span.start_ns // 1000,
        "duration": max(1, (span.end_ns - span.start_ns) // 1000),
        "localEndpoint": {"serviceName": span.process},
        "tags": tags,
    }
    if span.parent_id is not None:
        shown["parentId"] = span.parent_id
    if span.kind in _KINDS:
        shown["kind"] = _KINDS[span.kind]
    return shown


class ZipkinForwarder:
    """Sends batches in the background, in order; drops the oldest when Zipkin doesn't keep up."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v2/spans"
        self._queue: asyncio.Queue[list[dict[str, Any]]] = asyncio.Queue(_BACKLOG)
        self.failed = 0

    def forward(self, spans: Sequence[Span]) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self.failed += 1
        self._queue.put_nowait([to_zipkin(span) for span in spans])

    async def run(self) -> None:
        """Until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                batch = await self._queue.get()
                try:
                    async with session.post(self._url, json=batch) as answer:
                        self.failed += answer.status >= 300
                except (aiohttp.ClientError, TimeoutError):
                    self.failed += 1
