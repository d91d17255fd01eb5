"""The PID file is there while the process runs, and a newer process's file stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chassis import pid_file


def test_it_holds_the_id_while_the_body_runs_and_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "new" / "router-0.pid"
    with pid_file.held(path):
        assert int(path.read_text()) == os.getpid()
    assert list(path.parent.iterdir()) == []


def test_it_is_gone_after_a_failure_too(tmp_path: Path) -> None:
    path = tmp_path / "router-0.pid"
    with pytest.raises(ZeroDivisionError), pid_file.held(path):
        _ = 1 / 0
    assert not path.exists()


def test_a_stale_file_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "router-0.pid"
    path.write_text("1\n")
    with pid_file.held(path):
        assert int(path.read_text()) == os.getpid()


def test_the_file_of_a_replacement_stays(tmp_path: Path) -> None:
    path = tmp_path / "router-0.pid"
    with pid_file.held(path):
        path.write_text("4242\n")
    assert path.read_text() == "4242\n"


def test_a_file_that_somebody_removed_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "router-0.pid"
    with pid_file.held(path):
        path.unlink()
    assert not path.exists()


def test_without_a_path_there_is_no_file() -> None:
    with pid_file.held(None):
        pass
