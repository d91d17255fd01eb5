"""Each mutation finds what it breaks, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chaos.mutant import MUTATIONS
from chaos.mutants import MUTANTS
from sandbox.stack.paths import ROOT


def test_every_mutant_has_its_mutation() -> None:
    assert MUTANTS.keys() == MUTATIONS.keys()


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_starts(name: str) -> None:
    command = [sys.executable, "-m", "chaos.mutant", name, "run", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "okno run" in done.stdout
