"""`python -m cli`: hands `run` to its own small module, everything else to the commands."""

import sys


def main() -> None:
    if sys.argv[1:2] == ["run"]:
        from cli.run import main as run

        sys.exit(run(sys.argv[2:]))
    from cli.commands import app

    app(prog_name="okno")


if __name__ == "__main__":
    main()
