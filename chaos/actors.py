"""Carries out the acts of a schedule at their times and logs each as asked, then acknowledged, failed or unknown.

Acts about one message follow each other in the schedule's order; all others happen whenever their time has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from chaos.gate import Gate
from chaos.hands import Answer, Hands, Json
from chaos.records import Records
from chaos.town import Settled
from chaos.traffic import Act
from contracts import keys

AGAIN_SECONDS = 0.5
_BY_AGENTS = frozenset({"answer", "edit_answer", "delete_answer", "assign", "close"})
PATIENCE_SECONDS = 90.0
"""For how long an agent's program repeats a reply with its Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class _Written:
    """What an act made: a message (the platform's id and key) or a reply (its id and ticket)."""

    id: str
    key: str
    ticket: str = ""


class Actors:
    """`run` until told to stop; acts under way are finished. Agents act while the gate `desk` is open."""

    def __init__(self, hands: Hands, settled: Settled, records: Records, desk: Gate) -> None:
        self._hands = hands
        self._settled = settled
        self._records = records
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()
        self._written: dict[int, asyncio.Future[_Written | None]] = {}
        self._last: dict[int, asyncio.Task[None]] = {}

    async def run(self, schedule: Iterator[Act], stop: asyncio.Event) -> int:
        """The number of acts begun. An act that is late begins at once."""
        loop = asyncio.get_running_loop()
        begun, count = loop.time(), 0
        for act in schedule:
            if (wait := begun + act.at - loop.time()) > 0:
                try:
                    await asyncio.wait_for(stop.wait(), wait)
                except TimeoutError:
                    pass
            if stop.is_set():
                break
            self._begin(act)
            count += 1
        await asyncio.gather(*self._tasks)
        return count

    def _begin(self, act: Act) -> None:
        loop = asyncio.get_running_loop()
        if act.kind in {"post", "answer"}:
            self._written[act.number] = loop.create_future()
        before = self._last.get(act.target) if act.target is not None and act.kind != "post" else None
        task = loop.create_task(self._do(act, before))
        if act.target is not None and act.kind != "post":
            self._last[act.target] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, act: Act, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        target = await self._written[act.target] if act.target is not None else None
        written: _Written | None = None
        if act.target is None or target is not None:
            written = await self._act(act, target)
        if act.number in self._written:
            self._written[act.number].set_result(written)

    async def _act(self, act: Act, target: _Written | None) -> _Written | None:
        match act.kind:
            case "answer":
                async with self._desk.inside():
                    return await self._answer(act)
            case "post":
                return await self._post(act, target)
            case "assign" | "close":
                async with self._desk.inside():
                    await self._change_ticket(act)
            case "edit_answer" | "delete_answer" if target is not None:
                async with self._desk.inside():
                    await self._change_answer(act, target)
            case _ if target is not None:
                await self._change_message(act, target)
        return None

    # --- people ----------------------------------------------------------------------------------------------------

    def _asked(self, act: Act, **more: object) -> None:
        channel = self._settled.channel_key(act.channel)
        self._records.write("asked", act=act.number, kind=act.kind, channel=channel, text=act.text, **more)

    def _ended(self, act: Act, answer: Answer, **more: object) -> None:
        if act.kind in _BY_AGENTS and answer.body:
            more["answer"] = orjson.dumps(answer.body).decode()
        self._records.write(answer.outcome, act=act.number, status=answer.status, **more)

    async def _post(self, act: Act, root: _Written | None) -> _Written | None:
        channel, settled = self._settled.channels[act.channel], self._settled
        if settled.town.is_slack(act.channel):
            person = settled.people[act.person]
            body: Json = {"channel": channel, "user": person, "text": act.text}
            if root is not None:
                body["thread_ts"] = root.id
            self._asked(act, person=keys.slack_person(person), thread=root.key if root else None)
            answer = await self._hands.slack("POST", "/messages", body)
            number = str(answer.body.get("ts", ""))
        else:
            self._asked(act, person=keys.telegram_person(channel))
            answer = await self._hands.telegram("POST", "/messages", {"user_id": int(channel), "text": act.text})
            number = str(answer.body.get("message_id", ""))
        written = _Written(number, keys.message_key(settled.channel_key(act.channel), number)) if number else None
        self._ended(act, answer, message=written.key if written else None)
        return written

    async def _change_message(self, act: Act, message: _Written) -> None:
        channel, settled, slack = self._settled.channels[act.channel], self._settled, self._hands.slack
        is_slack = settled.town.is_slack(act.channel)
        person = settled.people[act.person] if is_slack else channel
        key = keys.slack_person(person) if is_slack else keys.telegram_person(person)
        self._asked(act, message=message.key, person=key, name=act.name)
        path = f"/messages/{channel}/{message.id}" if is_slack else f"/chats/{channel}/messages/{message.id}"
        if not is_slack:
            if act.kind == "edit":
                answer = await self._hands.telegram("PATCH", path, {"text": act.text})
            else:
                emoji = [act.name] if act.kind == "react" else []
                body = {"user_id": int(channel), "emoji": emoji}
                answer = await self._hands.telegram("PUT", f"{path}/reactions", body)
        elif act.kind == "edit":
            answer = await slack("PATCH", path, {"text": act.text})
        elif act.kind == "delete":
            answer = await slack("DELETE", path)
        else:
            method = "POST" if act.kind == "react" else "DELETE"
            answer = await slack(method, f"{path}/reactions", {"user": person, "name": act.name})
        self._ended(act, answer)

    # --- agents ----------------------------------------------------------------------------------------------------

    async def _ticket(self, act: Act) -> Json | None:
        """One of the channel's latest tickets; None where there is none yet, or nobody can tell."""
        channel = quote(self._settled.channel_key(act.channel))
        answer = await self._hands.api("GET", f"/tickets?channel={channel}&limit=10")
        items = answer.body.get("items") if answer.outcome == "acknowledged" else None
        return items[act.pick % len(items)] if items else None

    async def _answer(self, act: Act) -> _Written | None:
        ticket = await self._ticket(act)
        if ticket is None:
            return None
        self._asked(act, ticket=ticket["id"])
        body = {"text": act.text, "agent_id": self._settled.agents[act.person]}
        sending = [self._until_answered(act, ticket["id"], body) for _ in range(2 if act.twice else 1)]
        for answer in await asyncio.gather(*sending):
            self._ended(act, answer, reply=answer.body.get("id"))
        reply = answer.body.get("id")
        return _Written(reply, "", ticket["id"]) if answer.outcome == "acknowledged" and reply else None

    async def _until_answered(self, act: Act, ticket: str, body: Json) -> Answer:
        """The same request with the same key again, until the API has answered it or refused it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        maybe = False
        while True:
            headers = {"Idempotency-Key": f"act-{act.number}"}
            answer = await self._hands.api("POST", f"/tickets/{ticket}/replies", body, headers)
            maybe = maybe or answer.outcome == "unknown"
            again = answer.outcome == "unknown" or answer.status in {0, 429}
            if not again or loop.time() > deadline:
                return Answer("unknown", answer.status) if again and maybe else answer
            await asyncio.sleep(AGAIN_SECONDS)

    async def _change_answer(self, act: Act, reply: _Written) -> None:
        self._asked(act, reply=reply.id, ticket=reply.ticket)
        path = f"/tickets/{reply.ticket}/replies/{reply.id}"
        if act.kind == "edit_answer":
            answer = await self._hands.api("PATCH", path, {"text": act.text})
        else:
            answer = await self._hands.api("DELETE", path)
        self._ended(act, answer)

    async def _change_ticket(self, act: Act) -> None:
        """A read, then a change with what was read as `If-Match`; its tag tells it from every other."""
        listed = await self._ticket(act)
        seen = await self._hands.api("GET", f"/tickets/{listed['id']}") if listed else Answer("failed")
        if seen.outcome != "acknowledged":
            return
        tag, ticket, body = f"act-{act.number}", str(seen.body["id"]), {"tags": [f"act-{act.number}"]}
        wanted = {"assignee": self._settled.agents[act.person]} if act.kind == "assign" else {"status": "closed"}
        before = {"revision": seen.body["revision"], "tags": seen.body["tags"]}
        self._asked(act, ticket=ticket, tag=tag, seen=before)
        match = {"If-Match": seen.headers.get("etag", "")}
        answer = await self._hands.api("PATCH", f"/tickets/{ticket}", {**body, **wanted}, match)
        self._ended(act, answer, revision=answer.body.get("revision"))
