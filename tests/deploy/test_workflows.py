from __future__ import annotations

import subprocess

import pytest

from tests.deploy.conftest import ROOT, tool


def test_actionlint_agrees() -> None:
    program = tool("actionlint")
    if program is None:
        pytest.skip("there is no actionlint; deploy/verify-chart builds one and runs this test")
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
    assert workflows
    done = subprocess.run([program, "-no-color", *workflows], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
