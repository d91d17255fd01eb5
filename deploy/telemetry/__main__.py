"""`python -m deploy.telemetry write`: writes the rules of the objectives and the dashboards."""

from __future__ import annotations

import sys

from deploy.telemetry import files


def main(given: list[str]) -> int:
    if given != ["write"]:
        print(__doc__, file=sys.stderr)
        return 2
    for path, text in files.generated().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
