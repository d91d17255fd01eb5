"""`seal.py FOLDER AS`: makes a folder ready for a read-only image in which it is called AS.

Bytecode is compiled now and trusted later (unchecked hashes), so a process neither writes nor compares anything when it
starts. Times and modes are the same whoever builds, whenever: with the same Python the folder is the same to the bit.
"""

import compileall
import os
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

EPOCH = 0
"""The time of all that is sealed, in seconds."""


def compiled(folder: Path, called: str | None = None, *, levels: int = 50) -> bool:
    """Compile what has no bytecode yet; False when a file can't be. `called` is where tracebacks say the code is."""
    return bool(
        compileall.compile_dir(
            folder,
            maxlevels=levels,
            stripdir=str(folder) if called else None,
            prependdir=called,
            quiet=2,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
    )


def settle(folder: Path) -> None:
    """Give all below the folder one time, and let everybody read it and nobody change it."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def main(folder: Path, called: str) -> None:
    if not compiled(folder, called):
        sys.exit(f"{folder} has files that this Python can't compile")
    settle(folder.parents[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
