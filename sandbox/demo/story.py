"""How the demo tells a step: what somebody did, what came of it and after how many milliseconds."""

from sandbox.scenarios.cast import Cast
from sandbox.scenarios.clients import Clients
from sandbox.scenarios.play import Seen
from sandbox.stack.progress import Progress


class Teller:
    """Tells each step through `progress`."""

    def __init__(self, progress: Progress, clients: Clients) -> None:
        self._progress = progress
        self._clients = clients

    async def step(self, seen: Seen, cast: Cast) -> None:
        self._progress.say(f"\n{seen.story}")
        self._progress.say(f"    {await self._outcome(seen, cast)} - {seen.step.name}")

    async def _outcome(self, seen: Seen, cast: Cast) -> str:
        see, took = seen.step.see, f"{seen.milliseconds:.0f} ms"
        if seen.step.do.reply is not None:
            return f"{took} from reply to chat, trace {cast.traces.get('reply', 'not sampled')}"
        if see.ticket is None or seen.step.do.close is not None:
            return took
        ticket_id = cast.tickets[see.ticket.save or see.ticket.same_as or next(iter(cast.tickets))]
        number = (await self._clients.api("GET", f"/tickets/{ticket_id}"))["number"]
        return f"{took} from webhook to ticket #{number}, trace {cast.traces.get('message', 'not sampled')}"
