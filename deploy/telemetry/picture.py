"""The overview as a picture, drawn from the dashboard's queries: a page of plain HTML and SVG, shot by a browser."""

from __future__ import annotations

import asyncio
import html
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.telemetry.dashboards.overview import overview
from deploy.telemetry.panels import Panel, Query
from deploy.telemetry.server import Prometheus

COLORS = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#96d98d", "#ffb357")
WIDTH, HEIGHT, ROW_HEIGHT = 1440, 1230, 30
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_STYLE = """
body{margin:0;padding:16px;background:#111217;color:#ccccdc;font:13px system-ui,sans-serif;width:1408px}
h1{font-size:18px;margin:0 0 8px}h2{font-size:14px;margin:14px 0 6px;font-weight:600}
.row{display:grid;grid-template-columns:repeat(24,1fr);gap:8px}
.panel{background:#181b1f;border:1px solid #2a2d33;border-radius:3px;padding:8px;overflow:hidden}
.title{font-weight:600;margin-bottom:4px}.stat{font-size:30px;font-weight:600;text-align:center;padding-top:6px}
.legend{font-size:11px;color:#9a9aa8}.legend i{display:inline-block;width:10px;height:3px;margin:0 4px 3px 8px}
"""
Series = tuple[str, list[tuple[float, float]]]


async def draw(prometheus: Prometheus, target: Path, *, seconds: float) -> None:
    """Write the picture of the last seconds. Raises FileNotFoundError without a browser."""
    board = overview()
    parts = [f"<style>{_STYLE}</style><h1>{html.escape(board.title)}</h1>"]
    for row in board.rows:
        panels = [await _panel(prometheus, panel, seconds) for panel in row.panels]
        parts.append(f"<h2>{html.escape(row.title)}</h2><div class=row>{''.join(panels)}</div>")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "overview.html"
        page.write_text("<!doctype html><meta charset=utf-8>" + "".join(parts))
        await _shoot(page, target)


def browser() -> str:
    """The path of a Chromium. Raises FileNotFoundError."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise FileNotFoundError("a picture needs Chromium")
    return found


async def _shoot(page: Path, target: Path) -> None:
    done = await asyncio.create_subprocess_exec(
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={target.resolve()}", page.as_uri(),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await done.wait()


async def _panel(prometheus: Prometheus, panel: Panel, seconds: float) -> str:
    series = [one for query in panel.queries for one in await _series(prometheus, query, seconds)]
    body = _stat(panel, series) if panel.kind == "stat" else _graph(panel, series)
    return (
        f'<div class=panel style="grid-column:span {panel.width};height:{panel.height * ROW_HEIGHT - 16}px">'
        f"<div class=title>{html.escape(panel.title)}</div>{body}</div>"
    )


async def _series(prometheus: Prometheus, query: Query, seconds: float) -> list[Series]:
    expr = query.expr.replace("$__rate_interval", f"{max(15, prometheus.window)}s")
    return [
        (_legend(query, one["metric"]), [(at, float(value)) for at, value in one["values"] if value != "NaN"])
        for one in await prometheus.over_time(expr, seconds, 120)
    ]


def _legend(query: Query, labels: dict[str, str]) -> str:
    text = query.legend or query.expr[:40]
    for name, value in labels.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _number(value: float, unit: str) -> str:
    match unit:
        case "percentunit":
            return f"{value:.2%}"
        case "s":
            return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
        case _:
            return f"{value:.3g}"


def _stat(panel: Panel, series: Sequence[Series]) -> str:
    last = next((points[-1][1] for _, points in series if points), None)
    if last is None:
        return '<div class=stat style="color:#73bf69">none</div>'
    color = "#73bf69"
    for at, name in panel.steps:
        color = {"orange": "#ff9830", "red": "#f2495c"}[name] if last >= at else color
    return f'<div class=stat style="color:{color}">{_number(last, panel.unit)}</div>'


def _graph(panel: Panel, series: Sequence[Series]) -> str:
    shown = [one for one in series if one[1]]
    if not shown:
        return "<div class=legend>no data</div>"
    times = [at for _, points in shown for at, _ in points]
    begin, end = min(times), max(times)
    top = _top(max(value for _, points in shown for _, value in points))
    width, height = 58 * panel.width, panel.height * ROW_HEIGHT - 84
    lines: list[str] = []
    for step in range(5):
        y = height - step * height / 4
        lines.append(f'<line x1=50 x2={width} y1={y} y2={y} stroke="#2a2d33"/>')
        label = _number(top * step / 4, panel.unit)
        lines.append(f'<text x=44 y={y + 4} fill="#9a9aa8" font-size=10 text-anchor=end>{label}</text>')
    for (_, points), color in zip(shown, _colors(len(shown)), strict=True):
        path = " ".join(
            f"{50 + (at - begin) / max(1e-9, end - begin) * (width - 50):.1f},{height - value / top * height:.1f}"
            for at, value in points
        )
        lines.append(f'<polyline points="{path}" fill=none stroke="{color}" stroke-width=1.3 />')
    legend = "".join(
        f'<i style="background:{color}"></i>{html.escape(name)}'
        for (name, _), color in zip(shown, _colors(len(shown)), strict=True)
    )
    box = f'width={width} height={height + 8} viewBox="0 -6 {width} {height + 12}"'
    return f"<svg {box}>{''.join(lines)}</svg><div class=legend>{legend}</div>"


def _colors(number: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(number)]


def _top(value: float) -> float:
    """A round number at or above the value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)
