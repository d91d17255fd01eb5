"""The attributes of spans that are documented are those that the code sets."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAME = re.compile(r'"((?:okno|messaging|http|rpc|db|error|service)(?:\.[a-z_]+)+)"')
ASGI = {"http.disconnect", "http.request", "http.response.body", "http.response.start"}


def test_the_documented_attributes_are_those_that_there_are() -> None:
    sources = [path.read_text() for folder in ("chassis", "services") for path in (ROOT / folder).rglob("*.py")]
    table = (ROOT / "docs" / "telemetry.md").read_text().split("| attribute | says |")[1].split("\n\n")[0]
    listed = {name for row in table.splitlines() if row for name in re.findall(r"`(.+?)`", row.split("|")[1])}
    assert listed == {name for text in sources for name in NAME.findall(text)} - ASGI
