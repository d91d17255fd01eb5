"""A PID file holds the id of the process that runs now, and is gone after an orderly end.

After `kill -9` it stays: a reader checks that the process lives. A replacement overwrites it, and the end of an older
process doesn't remove the newer one's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path | None) -> Iterator[None]:
    """Hold the file while the body runs; without a path do nothing."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{os.getpid()}\n")
    draft.replace(path)
    try:
        yield
    finally:
        remove(path)


def remove(path: Path) -> None:
    """Remove the file if it is still this process's."""
    try:
        if path.read_text().strip() == str(os.getpid()):
            path.unlink()
    except FileNotFoundError:
        return
