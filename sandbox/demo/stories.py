"""Both stories, one after the other: each step told as it is seen, then the journeys of the story's ticket."""

import asyncio

from sandbox.demo.story import Teller, journey
from sandbox.scenarios.clients import Clients
from sandbox.scenarios.model import STORIES, load
from sandbox.scenarios.play import SECONDS, play
from sandbox.stack.progress import Progress

TRACE_SECONDS = 5.0


async def tell_all(
    clients: Clients, progress: Progress, *, seconds: float = SECONDS, leave_out: str | None = None
) -> int:
    """Play all stories; how many steps they had. NotSeen at the first step that isn't seen within `seconds`."""
    return sum([await _story(name, clients, progress, seconds, leave_out) for name in STORIES])


async def _story(name: str, clients: Clients, progress: Progress, seconds: float, leave_out: str | None) -> int:
    scenario = load(name)
    progress.say(f"\n=== {scenario.title} ===")
    teller = Teller(progress, clients)
    cast = await play(scenario, clients, teller.step, seconds=seconds, leave_out=leave_out)
    for kind, title in (
        ("message", "From the customer's message to the ticket"),
        ("reply", "From the reply to the chat"),
    ):
        if trace := cast.traces.get(kind):
            progress.say(journey(title, trace, await _spans(clients, trace)))
    return len(scenario.steps)


async def _spans(clients: Clients, trace_id: str) -> list[dict[str, object]]:
    """Spans leave the processes in batches: wait until their number stays the same."""
    seen = -1
    deadline = asyncio.get_running_loop().time() + TRACE_SECONDS
    spans: list[dict[str, object]] = []
    while asyncio.get_running_loop().time() < deadline:
        spans = await clients.trace(trace_id)
        if spans and len(spans) == seen:
            break
        seen = len(spans)
        await asyncio.sleep(1.2)
    return spans
