"""The demo sees what it says: with any one action left out it fails, and names exactly that step."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from sandbox.scenarios.cast import Cast
from sandbox.scenarios.model import STORIES, Scenario, load
from sandbox.scenarios.play import NotSeen, Seen, play
from sandbox.stack.paths import ROOT
from tests.end_to_end.conftest import ELSEWHERE
from tests.end_to_end.support.town import Town

LOOK_SECONDS = 5.0
"""How long a step is looked for that never comes; a step that does come must be seen within it, on a busy machine."""


async def _untold(seen: Seen, cast: Cast) -> None:
    """Nobody listens."""


async def _fails_at(scenario: Scenario, left_out: str, town: Town) -> str:
    """The name of the step at which the demo fails without one action."""
    try:
        await play(scenario, town.clients, _untold, seconds=LOOK_SECONDS, leave_out=left_out)
    except NotSeen as error:
        return error.step.name
    return "no step: everything was seen"


@pytest.mark.parametrize("story", STORIES)
async def test_each_step_that_is_left_out_is_named(town: Town, story: str) -> None:
    scenario = load(story)
    steps = [step.name for step in scenario.steps]
    assert len(set(steps)) == len(steps)
    assert await asyncio.gather(*(_fails_at(scenario, step, town) for step in steps)) == steps


async def _demo(state: Path, *options: str) -> tuple[int, str]:
    """Run the demo as `make demo` does, with a state folder of its own; its exit code and all it printed."""
    env = {name: value for name, value in os.environ.items() if name not in ELSEWHERE} | {"OKNO_STATE": str(state)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.demo", "--once", *options,
        cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_the_demo_tells_both_stories_and_ends_well(tmp_path: Path) -> None:
    code, output = await _demo(tmp_path / "state")
    assert code == 0, output
    for story in STORIES:
        scenario = load(story)
        assert scenario.title in output
        for step in scenario.steps:
            assert step.name in output
    assert "from webhook to ticket" in output
    assert "from reply to chat" in output
    assert "chat.postMessage" in output, "the waterfall of the reply's journey"
    assert not (tmp_path / "state" / "stack.json").exists(), "nothing is left running"


async def test_the_demo_fails_naming_the_step_that_was_not_seen(tmp_path: Path) -> None:
    left_out = load(STORIES[0]).steps[1].name
    code, output = await _demo(tmp_path / "state", "--leave-out", left_out, "--seconds", "5")
    assert code == 1, output
    assert f"failed at the step «{left_out}»" in output
    assert not (tmp_path / "state" / "stack.json").exists(), "nothing is left running"
