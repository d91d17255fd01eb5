"""Finds each chat line again through the ticketing API: exactly once, with its author and text."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from contracts import keys
from sandbox.replay.expected import count_tickets
from sandbox.replay.play import Played

AT_ONCE = 8
Json = dict[str, Any]


class Tickets:
    """The few reads that are needed of the ticketing API."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/v1"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def items(self, path: str, **parameters: Any) -> AsyncIterator[Json]:
        """Every item of a list, over its pages."""
        cursor: str | None = None
        while True:
            asked = {**parameters, "limit": 100, **({"cursor": cursor} if cursor else {})}
            response = await self._http.get(f"{self._url}{path}", params=asked, headers=self._headers)
            response.raise_for_status()
            page = response.json()
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if not cursor:
                return

    async def count(self, channel: str) -> int:
        """How many tickets a channel has."""
        return len([ticket["id"] async for ticket in self.items("/tickets", channel=keys.slack_channel(channel))])

    async def messages(self, channel: str) -> list[Json]:
        """All messages of a channel's tickets."""
        tickets = [ticket["id"] async for ticket in self.items("/tickets", channel=keys.slack_channel(channel))]
        gate = asyncio.Semaphore(AT_ONCE)

        async def of(ticket: str) -> list[Json]:
            async with gate:
                return [message async for message in self.items(f"/tickets/{ticket}/messages")]

        return [message for listed in await asyncio.gather(*map(of, tickets)) for message in listed]


async def differences(tickets: Tickets, played: Sequence[Played]) -> list[str]:
    """What is not as it should be, one line each; empty when all is well."""
    found: list[str] = []
    for one in played:
        expected = count_tickets(post.line for post in one.posts)
        counted = await tickets.count(one.channel)
        if counted != expected:
            found.append(f"{one.path.name}: {counted} tickets, times and authors make {expected}")
        found += compare(one, await tickets.messages(one.channel))
    return found


def compare(played: Played, messages: Sequence[Json]) -> list[str]:
    """Chat lines that are missing, doubled or different, and messages that no line explains."""
    found: list[str] = []
    where = Counter(str(message["source"]["message_key"]) for message in messages)
    by_key = {str(message["source"]["message_key"]): message for message in messages}
    for post in played.posts:
        key = keys.message_key(keys.slack_channel(post.channel), post.ts)
        name = f"{played.path.name}:{post.line.number + 1}"
        times = where.pop(key, 0)
        if times != 1:
            found.append(f"{name} is there {times} times")
            continue
        message = by_key[key]
        if message["text"] != post.line.text:
            found.append(f"{name} has another text")
        author = message["author"]
        if author["key"] != keys.slack_person(post.user):
            found.append(f"{name} has another author")
        elif author["name"] != played.names[post.user]:
            found.append(f"{name} has an author named {author['name']!r} instead of {played.names[post.user]!r}")
    return [*found, *(f"{played.path.name}: {key} is no line of it" for key in where)]
