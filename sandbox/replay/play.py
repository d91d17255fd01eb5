"""Plays the corpus through the simulated Slack's control API: a file a channel, in order, channels side by side."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sandbox.replay.corpus import Chat, Joined, Left, Line, Renamed, channel_name, read
from sandbox.stack.errors import StackError

_EMPTY = {"name": "picture.txt", "content": "", "mimetype": "text/plain"}
"""Slack takes no empty message: a line without text is posted as a file without a comment."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A chat line and where it is in Slack."""

    line: Chat
    channel: str
    ts: str
    user: str


@dataclass(slots=True)
class Played:
    """What one file became. `names` has each Slack user's last name."""

    path: Path
    channel: str = ""
    posts: list[Posted] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    joins: int = 0
    leaves: int = 0
    renames: int = 0
    notices: int = 0


class Player:
    """`speed` is how many times faster than the people were; None is as fast as the simulation takes it."""

    def __init__(self, http: httpx.AsyncClient, control_url: str, speed: float | None = None) -> None:
        self._http = http
        self._control = control_url.rstrip("/")
        self._speed = speed

    async def play(self, path: Path, limit: int | None, tell: "asyncio.Queue[int]") -> Played:
        """Play one file; `tell` gets a 1 for each line."""
        played = Played(path)
        name = f"{channel_name(path)}-{time.time_ns() % 10**9}"
        channel = await self._call("POST", "/channels", {"name": name, "type": "public"})
        played.channel = channel["channel"]["id"]
        users: dict[str, str] = {}
        previous: Line | None = None
        for line in read(path, limit):
            if self._speed is not None and previous is not None:
                await asyncio.sleep((line.at - previous.at).total_seconds() / self._speed)
            previous = line
            await self._line(line, played, users)
            tell.put_nowait(1)
        return played

    async def _line(self, line: Line, played: Played, users: dict[str, str]) -> None:
        match line:
            case Chat():
                played.posts.append(await self._post(line, played, users))
            case Joined():
                user = await self._user(line, played, users)
                await self._call("POST", f"/channels/{played.channel}/join", {"user": user, "at": line.at.timestamp()})
                played.joins += 1
            case Left():
                user = await self._user(line, played, users)
                await self._call("POST", f"/channels/{played.channel}/leave", {"user": user, "at": line.at.timestamp()})
                played.leaves += 1
            case Renamed():
                user = await self._user(line, played, users)
                await self._call("PATCH", f"/users/{user}", {"display_name": line.nick})
                played.names[user] = line.nick
                played.renames += 1
            case _:
                played.notices += 1

    async def _post(self, line: Chat, played: Played, users: dict[str, str]) -> Posted:
        user = await self._user(line, played, users)
        body: dict[str, Any] = {"channel": played.channel, "user": user, "text": line.text, "at": line.at.timestamp()}
        if not line.text:
            body["files"] = [_EMPTY]
        elif line.action:
            body["subtype"] = "me_message"
        answer = await self._call("POST", "/messages", body)
        return Posted(line, played.channel, answer["ts"], user)

    async def _user(self, line: Line, played: Played, users: dict[str, str]) -> str:
        if line.person not in users:
            unique = f"{played.channel.lower()}.{line.person}"
            first = line.former if isinstance(line, Renamed) else line.nick
            created = await self._call("POST", "/users", {"name": unique, "display_name": first})
            users[line.person] = created["user"]["id"]
            played.names[created["user"]["id"]] = first
        return users[line.person]

    async def _call(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._http.request(method, f"{self._control}{path}", json=body)
        if not response.is_success:
            raise StackError(f"the simulated Slack refused {method} {path}: {response.text}")
        return dict(response.json())


def chat_lines(played: Sequence[Played]) -> int:
    return sum(len(one.posts) for one in played)
