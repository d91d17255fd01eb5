"""A process's clock is what its file says, and nothing else of it changes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chaos.clocks import MISSING, Clocks, breakable, library
from chaos.nemesis_plan import GROUPS, PROCESSES

TELL = """
import sys, time
print(time.time(), time.monotonic(), flush=True)
sys.stdin.readline()
while abs(time.time() - float(sys.argv[1])) > 600: pass
print(time.time(), time.monotonic(), flush=True)
"""


def test_without_the_library_clocks_are_left_alone(tmp_path: Path) -> None:
    found = library([str(tmp_path / "*.so")])
    assert found is None
    assert breakable(GROUPS, found) == tuple(group for group in GROUPS if group != "clocks")
    assert breakable(["clocks"], "/somewhere.so") == ("clocks",)
    clocks = Clocks(tmp_path / "clocks", None)
    clocks.prepare()
    assert clocks.env == {}
    assert not list(tmp_path.iterdir())
    assert "apt-get install libfaketime" in MISSING


def test_every_process_has_a_clock_of_its_own(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path, "/lib/faketime.so")
    clocks.prepare()
    assert clocks.env.keys() == {*PROCESSES}
    clocks.set("router-0", -60.0)
    said = {name: Path(env["FAKETIME_TIMESTAMP_FILE"]).read_text() for name, env in clocks.env.items()}
    assert said.pop("router-0") == "-60.000\n"
    assert {*said.values()} == {"+0.000\n"}


@pytest.mark.skipif(library() is None, reason=MISSING)
@pytest.mark.parametrize("by", [86400.0, -86400.0])
def test_a_running_process_sees_its_clock_jump_and_its_monotonic_clock_go_on(tmp_path: Path, by: float) -> None:
    clocks = Clocks(tmp_path, library())
    clocks.prepare()
    command = [sys.executable, "-c", TELL, str(time.time() + by)]
    with subprocess.Popen(
        command, env={**os.environ, **clocks.env["router-0"]}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as told:
        assert told.stdin is not None
        assert told.stdout is not None
        before, monotonic = map(float, told.stdout.readline().split())
        clocks.set("router-0", by)
        told.stdin.write("go\n")
        told.stdin.flush()
        after, later = map(float, told.stdout.readline().split())
    assert abs(before - time.time()) < 600
    assert abs(after - before - by) < 600
    assert 0 <= later - monotonic < 600
