"""The running stack with people in it: here talks begin, and here is checked that nothing was lost or doubled."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx

from sandbox.scenarios.clients import Clients, Doors
from sandbox.stack.inside.log import Log, Offsets
from sandbox.stack.stack import Stack
from tests.end_to_end.support import truth
from tests.end_to_end.support.faults import Faults
from tests.end_to_end.support.quiet import PATIENCE_SECONDS, Quiet
from tests.end_to_end.support.talk import Talk
from tests.end_to_end.support.waiting import until

Json = dict[str, Any]
_numbers = itertools.count(1)


class Town:
    """`talks` is the ledger of all that was written; `poison` how many dead letters the test expects."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient, mark: Offsets, log: Log) -> None:
        self.stack = stack
        self.http = http
        self.clients = Clients(http, Doors.of_stack(stack.info))
        self.log = log
        self.mark = mark
        self.quiet = Quiet(stack.info, http, log)
        self.faults = Faults(stack, stack.state / "breaking")
        self.talks: list[Talk] = []
        self.poison = 0

    # --- people ----------------------------------------------------------------------------------------------------

    async def slack_user(self, name: str = "Ada", *, staff: bool = False) -> str:
        body = {"name": f"user.{_unique()}", "display_name": name, "staff": staff}
        return str((await self.clients.slack("POST", "/users", body))["user"]["id"])

    async def slack_channel(self) -> str:
        made = await self.clients.slack("POST", "/channels", {"name": f"help-{_unique()}", "type": "public"})
        return str(made["channel"]["id"])

    async def slack(self, channel: str | None = None) -> Talk:
        """A talk in a thread that a new customer roots, in a new channel unless one is given."""
        talk = Talk(self, "slack", channel or await self.slack_channel(), await self.slack_user(), f"talk {_unique()}")
        self.talks.append(talk)
        return talk

    async def telegram(self) -> Talk:
        """A talk in the dialog of a new customer."""
        user = str((await self.clients.telegram("POST", "/users", {"first_name": "Ivan"}))["user_id"])
        talk = Talk(self, "telegram", user, user, f"talk {_unique()}")
        self.talks.append(talk)
        return talk

    async def agent(self, name: str, *identities: str, role: str = "agent") -> Json:
        return await self.clients.api("POST", "/agents", {"name": name, "role": role, "identities": list(identities)})

    # --- the desk's view -------------------------------------------------------------------------------------------

    async def messages(self, ticket_id: str) -> list[Json]:
        """All messages of a ticket but notes."""
        return [one async for one in self._items(f"/tickets/{ticket_id}/messages") if not one["internal"]]

    async def tickets(self, channel_key: str) -> list[Json]:
        return [one async for one in self._items(f"/tickets?channel={channel_key}")]

    async def history(self, ticket_id: str) -> list[Json]:
        return [one async for one in self._items(f"/tickets/{ticket_id}/history")]

    async def change(self, ticket_id: str, **fields: Any) -> Json:
        """Change fields of a ticket as an agent."""
        revision = (await self.clients.api("GET", f"/tickets/{ticket_id}"))["revision"]
        return await self.clients.api("PATCH", f"/tickets/{ticket_id}", fields, **{"If-Match": f'"{revision}"'})

    async def written(self, topic: str, key: str, count: int) -> None:
        """Wait until a topic has at least so many records of a key since the test's begin."""

        async def enough() -> bool:
            records = await self.log.since(self.mark, topic)
            return len([record for record in records if record.key == key.encode()]) >= count

        await until(enough, what=f"{count} records of {key} in {topic}")

    async def dead_letters(self) -> list[Json]:
        """Those whose original record is later than the test's begin, the latest first."""
        since = {(tp.topic, tp.partition): offset for tp, offset in self.mark.items()}
        return [
            one
            async for one in self._items("/dead-letters")
            if one["dead_offset"] >= since.get((one["dead_topic"], one["dead_partition"]), 0)
        ]

    async def ticket_of(self, channel_key: str, message_key: str) -> str | None:
        """The id of the ticket in which a message is."""
        for ticket in await self.tickets(channel_key):
            for message in await self.messages(ticket["id"]):
                if (message["source"] or {}).get("message_key") == message_key:
                    return str(ticket["id"])
        return None

    async def _items(self, path: str) -> AsyncIterator[Json]:
        cursor: str | None = None
        while True:
            more = f"{'&' if '?' in path else '?'}limit=100" + (f"&cursor={cursor}" if cursor else "")
            page = await self.clients.api("GET", path + more)
            for item in page["items"]:
                yield item
            if not (cursor := page["next_cursor"]):
                return

    # --- the simulated platforms and the database ------------------------------------------------------------------

    async def speed(self, times: float) -> None:
        """How much faster than real the platforms' retries and limits are."""
        await self.clients.slack("PATCH", "/settings", {"speed": times})
        await self.clients.telegram("PUT", "/clock", {"scale": times})

    async def calm_platforms(self) -> None:
        """No faults; retries after minutes come after seconds."""
        await self.clients.slack("DELETE", "/faults")
        await self.clients.telegram("DELETE", "/faults")
        await self.speed(30)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        connection = await asyncpg.connect(self.stack.info.postgres.dsn, timeout=10)
        try:
            yield connection
        finally:
            await connection.close()

    # --- the truth -------------------------------------------------------------------------------------------------

    async def check(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until nothing is under way, then: nothing lost, nothing doubled, everything in order."""
        await self.quiet.wait(seconds=seconds)
        problems = await truth.problems(self)
        assert not problems, "\n".join(problems)


def _unique() -> str:
    return f"{time.time_ns() // 1_000_000 % 10**9}-{next(_numbers)}"


@asynccontextmanager
async def town(stack: Stack) -> AsyncIterator[Town]:
    """A town in which nothing of earlier tests is under way any more."""
    timeout = httpx.Timeout(30, connect=5)
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=timeout) as http:
        log = Log(stack.info.kafka.bootstrap_servers)
        made = Town(stack, http, {}, log)
        await made.calm_platforms()
        try:
            made.mark = await log.ends()
            yield made
        finally:
            await log.close()
