"""`okno run <process>`: one process in the foreground. Kept apart from the other commands, which need more memory."""

import argparse
import sys

from cli.processes import KINDS


def main(arguments: list[str]) -> int:
    """The process's exit code: 0 stopped when asked, 1 failed, 2 wrong settings, 3 not drained in time."""
    parser = argparse.ArgumentParser(
        prog="okno run",
        description="Run one process in the foreground. Its settings come from the environment; SIGTERM stops it.",
    )
    parser.add_argument(
        "process", choices=sorted(name for name, kind in KINDS.items() if kind.present()), help="what to run"
    )
    parser.add_argument("--name", help="stable name, unique in its group (default: PROCESS_NAME, else the process)")
    chosen = parser.parse_args(arguments)
    kind = KINDS[chosen.process]
    from chassis.lifecycle import run_process
    from chassis.settings import load

    return run_process(kind.name, kind.bootstrap(), load(kind.settings_class()), name=chosen.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
