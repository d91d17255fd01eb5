"""A trace as bars in a terminal. Pure: spans in, lines out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

WIDTH = 44


class Span(NamedTuple):
    """Times in nanoseconds since 1970; `process` is the service's instance (`router-0`)."""

    span_id: str
    parent_id: str | None
    process: str
    name: str
    start_ns: int
    end_ns: int
    failed: bool = False


def lines(spans: Sequence[Span]) -> list[str]:
    """One line a span, children under their parents, with offset and duration in milliseconds."""
    ordered = sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))
    begin, end = ordered[0].start_ns, max(span.end_ns for span in ordered)
    scale = max(end - begin, 1)
    depths = _depths(ordered)
    labels = {span.span_id: f"{'  ' * depths[span.span_id]}{span.process}: {span.name}" for span in ordered}
    label_width = max(map(len, labels.values()))
    shown = []
    for span in ordered:
        left = min(round((span.start_ns - begin) / scale * WIDTH), WIDTH - 1)
        length = max(1, round((span.end_ns - span.start_ns) / scale * WIDTH))
        bar = " " * left + "\N{FULL BLOCK}" * min(length, WIDTH - left)
        took, offset = (span.end_ns - span.start_ns) / 1e6, (span.start_ns - begin) / 1e6
        mark = "  failed" if span.failed else ""
        shown.append(f"  {labels[span.span_id]:<{label_width}}  {bar:<{WIDTH}} {offset:7.1f} +{took:6.1f} ms{mark}")
    return shown


def _depths(spans: Sequence[Span]) -> Mapping[str, int]:
    parents = {span.span_id: span.parent_id for span in spans}

    def depth(span_id: str, seen: frozenset[str] = frozenset()) -> int:
        parent = parents.get(span_id)
        if parent is None or parent not in parents or span_id in seen:
            return 0
        return 1 + depth(parent, seen | {span_id})

    return {span_id: depth(span_id) for span_id in parents}
