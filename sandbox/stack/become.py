"""`python -m sandbox.stack.become [options] -- COMMAND...` becomes that command, keeping the pid.

PostgreSQL refuses to run as root, and a wrapper that forks (su, runuser) would hide its pid from whoever kills it; and
a program that writes no pid file of its own gets one, so that a replacement started by hand is found again.
"""

from __future__ import annotations

import argparse
import os
import pwd
import signal
import sys
from pathlib import Path


def command_line(
    command: list[str], *, user: str | None = None, pid_file: Path | None = None, postgres_data: Path | None = None
) -> list[str]:
    """The command line that becomes `command`; `postgres_data` is cleared of what a killed server left there."""
    options = ["--user", user] if user else []
    options += ["--pid-file", str(pid_file)] if pid_file else []
    options += ["--postgres-data", str(postgres_data)] if postgres_data else []
    return [sys.executable, "-m", "sandbox.stack.become", *options, "--", *command] if options else command


def target(command: list[str]) -> list[str]:
    """What a command line has become once it runs."""
    if command[1:3] == ["-m", "sandbox.stack.become"]:
        return command[command.index("--") + 1 :]
    return command


def main(arguments: list[str]) -> None:
    """Never returns: the process becomes the command."""
    options = argparse.ArgumentParser()
    options.add_argument("--user")
    options.add_argument("--pid-file", type=Path)
    options.add_argument("--postgres-data", type=Path)
    options.add_argument("command", nargs="+")
    asked = options.parse_args(arguments)
    if asked.pid_file is not None:
        asked.pid_file.parent.mkdir(parents=True, exist_ok=True)
        draft = asked.pid_file.with_name(f".{asked.pid_file.name}.{os.getpid()}")
        draft.write_text(f"{os.getpid()}\n", encoding="ascii")
        draft.replace(asked.pid_file)
    if asked.postgres_data is not None:
        from sandbox.stack.postgres import lock

        lock.clear(asked.postgres_data)
    if asked.user is not None:
        entry = pwd.getpwnam(asked.user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background ignores it, and PostgreSQL is stopped by it
    os.execvp(asked.command[0], asked.command)  # noqa: S606 - the stack's own command, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
