"""The results as lines for a screen or a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.hops import HOPS
from bench.report import TARGETS, Results


def lines(results: Results) -> Iterator[str]:
    yield ""
    yield "Hops"
    yield from grid(("", "floor", "okno"), HOPS)
    yield ""
    yield "Rows written a message, and bytes a record"
    yield from grid(("", "floor", "okno"), _side_by_side(results["rows_per_message"]))
    yield from grid(("", "floor", "okno"), _side_by_side(results["record_bytes"]))
    yield ""
    yield "Speed (median of the rounds, from least to most)"
    yield from grid(("", "floor", "okno", "ratio"), _speed(results))
    yield ""
    yield "CPU at full load, microseconds a message"
    yield from grid(("process", "floor", "okno"), _cpu(results))
    yield ""
    yield f"Resident memory, peak in MB (after {results['options']['memory_minutes']:g} more minutes of full load)"
    yield from grid(("process", "okno"), [(name, f"{value:.0f}") for name, value in results["memory_mb"].items()])
    yield ""
    yield "To reach"
    yield from grid(
        ("", "limit", "measured", ""),
        [
            (
                target.name,
                f"{'at least' if target.at_least else 'at most'} {target.limit:g}",
                f"{target.value(results):.2f}",
                "reached" if target.reached(results) else "NOT REACHED",
            )
            for target in TARGETS
        ],
    )


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _side_by_side(both: dict[str, dict[str, Any]]) -> list[tuple[str, str, str]]:
    names = sorted(both["floor"].keys() | both["okno"].keys())
    return [(name, *(str(both[side].get(name, "-")) for side in ("floor", "okno"))) for name in names]  # type: ignore[misc]


def _speed(results: Results) -> list[tuple[str, str, str, str]]:
    rows = [("messages/s to visible", *_cells(results["throughput"], "messages_per_second", "ratio"))]
    for part, title in (("latency_100", "at 100/s"), ("latency_one", "one in flight")):
        for figure in ("p50", "p99", "answer_p50", "answer_p99"):
            what = f"{title}: {'the 200' if figure.startswith('answer') else 'visible'} {figure[-3:]}, ms"
            rows.append((what, *_cells(results[part], f"{figure}_ms", f"{figure}_ratio")))
    return rows


def _cells(part: dict[str, Any], unit: str, ratio: str) -> tuple[str, str, str]:
    return _spread(part["floor"][unit]), _spread(part["okno"][unit]), f"{part[ratio]:.2f}"


def _spread(figure: dict[str, float]) -> str:
    return f"{figure['median']:,.1f} ({figure['least']:,.1f} to {figure['most']:,.1f})"


def _cpu(results: Results) -> list[tuple[str, str, str]]:
    floor, okno = results["floor_cpu_us_per_message"], results["cpu_us_per_message"]
    names = [*(name for name in floor if name not in okno), *okno]
    cell = "{:.0f}".format
    return [
        (name, cell(floor[name]) if name in floor else "", cell(okno[name]) if name in okno else "") for name in names
    ]
