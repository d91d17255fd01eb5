"""A trace as bars in a terminal. Pure: spans in, lines out."""

from typing import Any

WIDTH = 44


def lines(spans: list[dict[str, Any]]) -> list[str]:
    """One line a span, children under their parents, with offset and duration in milliseconds."""
    if not spans:
        return ["  (no spans have arrived)"]
    ordered = sorted(spans, key=lambda span: (span["start_ns"], -span["end_ns"]))
    begin, end = ordered[0]["start_ns"], max(span["end_ns"] for span in ordered)
    scale = max(end - begin, 1)
    depths = _depths(ordered)
    label_width = max(len(_label(span, depths)) for span in ordered)
    shown = []
    for span in ordered:
        left = round((span["start_ns"] - begin) / scale * WIDTH)
        length = max(1, round((span["end_ns"] - span["start_ns"]) / scale * WIDTH))
        left = min(left, WIDTH - 1)
        bar = " " * left + "\N{FULL BLOCK}" * min(length, WIDTH - left)
        took = (span["end_ns"] - span["start_ns"]) / 1e6
        offset = (span["start_ns"] - begin) / 1e6
        shown.append(f"  {_label(span, depths):<{label_width}}  {bar:<{WIDTH}} {offset:7.1f} +{took:6.1f} ms")
    return shown


def _label(span: dict[str, Any], depths: dict[str, int]) -> str:
    return f"{'  ' * depths[span['span_id']]}{span['process']}: {span['name']}"


def _depths(spans: list[dict[str, Any]]) -> dict[str, int]:
    parents = {span["span_id"]: span.get("parent_id") for span in spans}

    def depth(span_id: str, seen: frozenset[str] = frozenset()) -> int:
        parent = parents.get(span_id)
        if parent is None or parent not in parents or span_id in seen:
            return 0
        return 1 + depth(parent, seen | {span_id})

    return {span_id: depth(span_id) for span_id in parents}
