"""`python -m deploy.telemetry write [FOLDER]`: writes rules and dashboards, and copies both into a chart's files."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from deploy.telemetry import files


def main(given: list[str]) -> int:
    if given[:1] != ["write"] or len(given) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    for path, text in files.generated().items():
        path.write_text(text)
    if len(given) == 2:
        for source, folder in files.COPIES.items():
            target = Path(given[1]) / folder
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted(files.DEPLOY.glob(source)):
                shutil.copyfile(path, target / path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
