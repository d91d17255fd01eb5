"""Where the stack keeps things: everything below `.okno/` of the repository, nothing anywhere else."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = Path(os.environ.get("OKNO_STATE", ROOT / ".okno"))
DOWNLOADS = ROOT / ".okno"
