"""The last spans by trace, bounded: whole traces are forgotten, the least recently touched first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MAX_SPANS = 50_000
MAX_SPANS_A_TRACE = 2_000

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A finished span; ids in hexadecimal, times in nanoseconds since the epoch. `process` is the service instance
    (`router-0`), `links` are pairs of trace id and span id.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    process: str
    start_ns: int
    end_ns: int
    attributes: Attributes = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    error: str | None = None

    def json(self) -> dict[str, Any]:
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_id": self.parent_id,
            "name": self.name,
            "kind": self.kind,
            "process": self.process,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "duration_ms": round((self.end_ns - self.start_ns) / 1e6, 3),
            "attributes": self.attributes,
            "links": [{"trace_id": trace, "span_id": span} for trace, span in self.links],
            "error": self.error,
        }


class TraceStore:
    """Spans by trace and span id; a span received twice is kept once."""

    def __init__(self, *, max_spans: int = MAX_SPANS) -> None:
        self._max_spans = max_spans
        self._traces: OrderedDict[str, dict[str, Span]] = OrderedDict()
        self._spans = 0

    def add(self, spans: Iterable[Span]) -> None:
        for span in spans:
            trace = self._traces.setdefault(span.trace_id, {})
            self._traces.move_to_end(span.trace_id)
            if span.span_id not in trace and len(trace) < MAX_SPANS_A_TRACE:
                self._spans += 1
                trace[span.span_id] = span
        while self._spans > self._max_spans:
            _, forgotten = self._traces.popitem(last=False)
            self._spans -= len(forgotten)

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace by start time; empty when it is unknown."""
        return sorted(self._traces.get(trace_id, {}).values(), key=lambda span: (span.start_ns, span.span_id))

    def find(self, attributes: dict[str, str], *, limit: int) -> list[str]:
        """Ids of traces, the most recent first, that have a span with each of these attributes (values as text)."""
        found: list[str] = []
        for trace_id in reversed(self._traces):
            if len(found) == limit:
                break
            spans = self._traces[trace_id].values()
            if all(any(str(span.attributes.get(key)) == value for span in spans) for key, value in attributes.items()):
                found.append(trace_id)
        return found
