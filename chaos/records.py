"""The log of a campaign: JSON lines, written at once, so that a campaign that is cut short can be read too.

An operation is `asked`, then one of `acknowledged`, `failed` (it surely had no effect) or `unknown`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson


class Records:
    """Appends lines; nothing is ever changed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("wb")

    def write(self, what: str, **fields: Any) -> None:
        self._file.write(orjson.dumps({"at": round(time.time(), 3), "what": what, **fields}) + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
