"""A trace as bars in a terminal. Pure: spans in, lines out."""

from collections.abc import Sequence
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
    """One line a span, children under their parents by their start, with offset and duration in milliseconds."""
    tree = _tree(sorted(spans, key=lambda span: (span.start_ns, -span.end_ns)))
    begin, end = min(span.start_ns for span in spans), max(span.end_ns for span in spans)
    scale = max(end - begin, 1)
    labels = [f"{'  ' * depth}{span.process}: {span.name}" for depth, span in tree]
    label_width = max(map(len, labels))
    shown = []
    for label, (_, span) in zip(labels, tree, strict=True):
        left = min(round((span.start_ns - begin) / scale * WIDTH), WIDTH - 1)
        length = max(1, round((span.end_ns - span.start_ns) / scale * WIDTH))
        bar = " " * left + "\N{FULL BLOCK}" * min(length, WIDTH - left)
        took, offset = (span.end_ns - span.start_ns) / 1e6, (span.start_ns - begin) / 1e6
        mark = "  failed" if span.failed else ""
        shown.append(f"  {label:<{label_width}}  {bar:<{WIDTH}} {offset:7.1f} +{took:6.1f} ms{mark}")
    return shown


def _tree(spans: Sequence[Span]) -> list[tuple[int, Span]]:
    """Spans with their depth, depth first, siblings as they come. Whoever has no parent here, or is in a circle, stands
    at the left.
    """
    children: dict[str | None, list[Span]] = {}
    known = {span.span_id for span in spans}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    found: dict[str, tuple[int, Span]] = {}

    def add(span: Span, depth: int) -> None:
        if span.span_id in found:
            return
        found[span.span_id] = (depth, span)
        for child in children.get(span.span_id, ()):
            add(child, depth + 1)

    for span in (*children.get(None, ()), *spans):
        add(span, 0)
    return list(found.values())
