"""`python -m sandbox.stack.run_as USER COMMAND...`: becomes that user and then the command, keeping the pid.

PostgreSQL refuses to run as root; a wrapper that forks (su, runuser) would hide its pid from whoever kills it.
"""

from __future__ import annotations

import os
import pwd
import sys


def main(arguments: list[str]) -> None:
    """Never returns: the process becomes the command."""
    user, *command = arguments
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.execv(command[0], command)  # noqa: S606 - the stack's own command, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
