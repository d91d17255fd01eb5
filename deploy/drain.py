"""`python -m deploy.drain`: stops and starts every process of the running compose stack while people write and agents
answer, and proves that nothing was lost and nothing came twice.

Needs the profile sandbox up, and `docker compose` on the path. Every process must end with exit code 0: it drained.
Afterwards each message is in exactly one ticket and each answer once in its chat. Exit code 0, or 1 naming what is not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from contracts import keys
from sandbox.scenarios.clients import Clients, Doors, Refused, Written
from sandbox.stack.progress import Progress

PROCESSES = (
    "ingest-slack", "ingest-telegram", "router", "ticketing-worker", "notifier", "ingest-worker", "ticketing-api",
)  # fmt: skip
PLACES = 6
"""Slack channels, and as many dialogs with the bot."""
WRITE_EVERY_SECONDS = 0.2
ANSWER_EVERY_SECONDS = 1.0
AGAIN_SECONDS = 0.5
READY_SECONDS = 300.0
"""Of a busy machine; an idle one needs five."""
SETTLED_SECONDS = 180.0
"""Slack sends a refused event again after a minute."""


class Broken(Exception):
    """A promise that was not kept."""


@dataclass(slots=True)
class Traffic:
    """Who writes where, and what was written. Messages by message key, answers by their text."""

    channels: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    """A text and the channel key of the chat it belongs in."""


async def cast(clients: Clients) -> Traffic:
    traffic = Traffic()
    unique = uuid.uuid4().hex[:8]
    for number in range(PLACES):
        user = await clients.slack("POST", "/users", {"name": f"drain{number}.{unique}", "display_name": "Dina"})
        made = await clients.slack("POST", "/channels", {"name": f"drain-{number}-{unique}", "type": "public"})
        traffic.channels.append(f"{made['channel']['id']} {user['user']['id']}")
        traffic.people.append(str((await clients.telegram("POST", "/users", {"first_name": "Dan"}))["user_id"]))
    return traffic


async def write(clients: Clients, traffic: Traffic) -> None:
    """One message after another, in turn to each place, for ever."""
    number = 0
    while True:
        place, text = number // 2 % PLACES, f"message {number}"
        if number % 2:
            channel, user = traffic.channels[place].split()
            sent = await clients.slack("POST", "/messages", {"channel": channel, "user": user, "text": text})
            written = Written("slack", channel, str(sent["ts"]))
        else:
            user = traffic.people[place]
            sent = await clients.telegram("POST", "/messages", {"user_id": int(user), "text": text})
            written = Written("telegram", user, str(sent["message_id"]))
        traffic.written[written.key(clients.doors.bot_id)] = text
        number += 1
        await asyncio.sleep(WRITE_EVERY_SECONDS)


async def answer(clients: Clients, traffic: Traffic) -> None:
    """Answer the latest ticket of each place in turn, for ever; an API that is away is asked again, same key."""
    number = 0
    while True:
        place = number // 2 % PLACES
        channel = (
            keys.slack_channel(traffic.channels[place].split()[0])
            if number % 2
            else keys.telegram_channel(clients.doors.bot_id, traffic.people[place])
        )
        text = f"answer {number}"
        if tickets := await _insisting(lambda channel=channel: clients.tickets_in(channel)):
            path, idempotency = f"/tickets/{tickets[0]['id']}/replies", {"Idempotency-Key": uuid.uuid4().hex}
            await _insisting(
                lambda path=path, text=text, key=idempotency: clients.api("POST", path, {"text": text}, **key)
            )
            traffic.answers[text] = channel
        number += 1
        await asyncio.sleep(ANSWER_EVERY_SECONDS)


async def _insisting(ask: Any) -> Any:
    """Until it is answered: the API may be on its way out or in."""
    while True:
        try:
            return await ask()
        except Refused:
            await asyncio.sleep(AGAIN_SECONDS)


async def docker(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "docker", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise Broken(f"`docker {' '.join(arguments)}` failed: {errors.decode().strip()[-500:]}")
    return output.decode().strip()


async def container(name: str) -> str:
    """The id of a service's container, running or not."""
    found = (await docker("compose", "--profile", "sandbox", "ps", "--all", "--quiet", name)).split()
    if len(found) != 1:
        raise Broken(f"{name} has {len(found)} containers")
    return found[0]


async def restart(name: str) -> float:
    """`docker stop`, a moment without it, `docker start`, until healthy again; seconds that the stop took."""
    target = await container(name)
    began = time.monotonic()
    await docker("stop", "-t", "40", target)
    took = time.monotonic() - began
    if (code := await docker("inspect", "--format", "{{.State.ExitCode}}", target)) != "0":
        raise Broken(f"{name} ended with exit code {code} when it was stopped, not 0")
    await asyncio.sleep(AGAIN_SECONDS)
    await docker("start", target)
    deadline = time.monotonic() + READY_SECONDS
    while (health := await docker("inspect", "--format", "{{.State.Health.Status}}", target)) != "healthy":
        if time.monotonic() > deadline:
            raise Broken(f"{name} is {health} {READY_SECONDS:.0f} s after its start")
        await asyncio.sleep(AGAIN_SECONDS)
    return took


async def problems(clients: Clients, traffic: Traffic) -> list[str]:
    """What is not yet, or no longer, as it must be. Empty when all is kept."""
    seen: Counter[str] = Counter()
    posted: Counter[str] = Counter()
    for pair in traffic.channels:
        channel = pair.split()[0]
        seen += await _message_keys(clients, keys.slack_channel(channel))
        chat = await clients.slack("GET", f"/channels/{channel}/messages")
        ours = [one for one in chat["messages"] if one["user"] == clients.doors.bot_user_id]
        posted += Counter(one["plain"] for one in ours if one.get("thread_ts"))
    for person in traffic.people:
        seen += await _message_keys(clients, keys.telegram_channel(clients.doors.bot_id, person))
        chat = await clients.telegram("GET", f"/chats/{person}/messages")
        posted += Counter(one["text"] for one in chat["messages"] if one["from"]["is_bot"])
    found = [
        f"{text} ({key}) is {seen[key]} times in tickets" for key, text in traffic.written.items() if seen[key] != 1
    ]
    return found + [f"{text} was posted {posted[text]} times" for text in traffic.answers if posted[text] != 1]


async def _message_keys(clients: Clients, channel: str) -> Counter[str]:
    """How often each message of a channel stands in a ticket."""
    found: Counter[str] = Counter()
    for ticket in await clients.tickets_in(channel):
        cursor = ""
        while True:
            page = await clients.api("GET", f"/tickets/{ticket['id']}/messages?limit=200{cursor}")
            found.update(str((one.get("source") or {}).get("message_key")) for one in page["items"])
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
    return found


@asynccontextmanager
async def going_on(*work: Any) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run beside the block; a failure of one is raised at its end."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for one in ended:
        if isinstance(one, Exception):
            raise Broken(f"the traffic ended: {one}")


async def check(url: str, progress: Progress) -> None:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        clients = Clients(http, Doors.of_sandbox(url))
        traffic = await cast(clients)
        async with going_on(write(clients, traffic), answer(clients, traffic)):
            await asyncio.sleep(2)
            for name in PROCESSES:
                with progress.step(f"{name}: stopping and starting under load") as step:
                    step.update(f"stopped in {await restart(name):.1f} s")
            await asyncio.sleep(2)
        with progress.step("Messages and answers: all, once") as step:
            deadline = time.monotonic() + SETTLED_SECONDS
            while found := await problems(clients, traffic):
                step.update(f"{len(found)} open of {len(traffic.written)} messages and {len(traffic.answers)} answers")
                if time.monotonic() > deadline:
                    raise Broken(f"{len(found)} of {step.detail}:\n  " + "\n  ".join(found[:20]))
                await asyncio.sleep(2)
            step.update(
                f"{len(traffic.written)} messages in one ticket each, {len(traffic.answers)} answers posted once"
            )


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.drain", description=__doc__)
    parser.add_argument("url", help="the sandbox, for example http://127.0.0.1:8700")
    try:
        asyncio.run(check(parser.parse_args(given).url.rstrip("/"), Progress()))
    except (Broken, Refused) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
