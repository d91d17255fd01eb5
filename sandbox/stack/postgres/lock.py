"""What a killed PostgreSQL leaves behind, taken away before a new start: its lock file names a pid that may still look
alive (a zombie that nobody has collected yet), and its children need a moment to notice and leave.
"""

from __future__ import annotations

import time
from pathlib import Path

import psutil

LEAVING_SECONDS = 10.0


def clear(data: Path, *, seconds: float = LEAVING_SECONDS) -> None:
    """Wait until nobody works in the data folder any more, then remove the lock file. When somebody stays, the file
    stays too, and PostgreSQL refuses to start as it should.
    """
    if not (data / "postmaster.pid").exists():
        return
    deadline = time.monotonic() + seconds
    while _in_use(data):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _in_use(data: Path) -> bool:
    """Whether a living process has the data folder as its working directory, as all of PostgreSQL's have."""
    folder = str(data.resolve())
    for process in psutil.process_iter():
        try:
            if process.cwd() == folder and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except psutil.Error:
            continue
    return False
