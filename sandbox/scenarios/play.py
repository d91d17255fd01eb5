"""Plays a scenario step by step: does, looks until all is seen or the time is up, tells the story."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.scenarios.actions import act
from sandbox.scenarios.cast import Cast, assemble
from sandbox.scenarios.clients import Clients, Refused
from sandbox.scenarios.model import Scenario, Step
from sandbox.scenarios.sight import missing

LOOK_EVERY_SECONDS = 0.005
SECONDS = 20.0
SETTLE_SECONDS = 0.3
"""After a step is seen it must still be so a moment later: a second copy comes late."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A step that was seen. `milliseconds` from the act to the sight."""

    step: Step
    story: str
    milliseconds: float


class NotSeen(Exception):
    """A step whose effect was not seen in time. The text names the step and what was missing."""

    def __init__(self, step: Step, why: str) -> None:
        super().__init__(f"not seen: {step.name}: {why}")
        self.step = step
        self.why = why


Tell = Callable[[Seen, Cast], Awaitable[None]]


async def play(
    scenario: Scenario, clients: Clients, tell: Tell, *, seconds: float = SECONDS, leave_out: str | None = None
) -> Cast:
    """Play all steps. Raises NotSeen at the first that isn't seen.

    `leave_out` names a step whose action is not done, to show that its effect is really looked for.
    """
    cast = await assemble(scenario, clients)
    for step in scenario.steps:
        began = time.perf_counter()
        try:
            story = "" if step.name == leave_out else await act(step.do, cast, clients)
            await _until_seen(step, cast, clients, seconds)
        except Refused as error:
            raise NotSeen(step, str(error)) from error
        await tell(Seen(step, story, (time.perf_counter() - began) * 1000), cast)
        await asyncio.sleep(SETTLE_SECONDS)
        if (problem := await missing(step.see, cast, clients)) is not None:
            raise NotSeen(step, f"it was so for a moment only: {problem}")
    return cast


async def _until_seen(step: Step, cast: Cast, clients: Clients, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (problem := await missing(step.see, cast, clients)) is not None:
        if time.monotonic() > deadline:
            raise NotSeen(step, problem)
        await asyncio.sleep(LOOK_EVERY_SECONDS)
