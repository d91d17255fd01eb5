"""Another version of Okno to run beside this one: its tree, taken from git, with this version's packages."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from chaos.nemesis_plan import Group
from sandbox.stack.errors import StackError
from sandbox.stack.paths import ROOT

MISSING = "Versions are left alone: there is no tag; --beside names the revision to run beside this one."


def last_tag() -> str | None:
    """None outside a git checkout, too."""
    found = _git("describe", "--tags", "--abbrev=0")
    return found.stdout.decode().strip() if found.returncode == 0 else None


def breakable(groups: Sequence[Group], beside: str | None) -> tuple[Group, ...]:
    """The groups of faults that can be done."""
    return tuple(group for group in groups if group != "versions" or beside is not None)


def tree(revision: str, folder: Path) -> Path:
    """The revision's files in a fresh folder. StackError when git doesn't know the revision."""
    made = _git("archive", "--format=tar", revision)
    if made.returncode != 0:
        raise StackError(f"--beside {revision}: {made.stderr.decode().strip()}")
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
