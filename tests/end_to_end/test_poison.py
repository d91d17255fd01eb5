"""Poison in the middle of a batch, on every topic that is read: dead-lettered once by each reader, neighbours applied
once, and the partition goes on.

A topic's readers are stopped (SIGSTOP) while good records and poison are written, so that they get them in one batch.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts.topics import TOPICS
from sandbox.stack.inside.backlog import READERS
from sandbox.stack.paths import ROOT
from tests.end_to_end.support.town import Town

VALUES = (b"\xff\xfe\x00 not UTF-8 \xc3\x28", b'{"not": JSON', b'{"valid": "JSON", "but": "no contract"}')
CAUSES = Counter({"bad_value": 3, "header_not_utf8": 1, "unknown_type": 1, "bad_time": 1, "header_missing": 1})
POISONS = CAUSES.total()
PROCESSES = {
    "router": ("router-0", "router-1"),
    "ticketing": ("ticketing-worker-0",),
    "notifier": ("notifier-0",),
    "ingest-worker": ("ingest-worker",),
}


def readers(topic: str) -> list[str]:
    return sorted(consumer for (_, consumer), topics in READERS.items() if topic in topics)


@asynccontextmanager
async def one_batch(town: Town, topic: str) -> AsyncIterator[None]:
    """Whoever reads the topic stands still meanwhile."""
    still = [town.stack.process(name) for consumer in readers(topic) for name in PROCESSES[consumer]]
    for process in still:
        process.suspend()
    try:
        yield
    finally:
        for process in still:
            process.resume()


def poison_of(topic: str) -> list[tuple[bytes, list[tuple[str, bytes]]]]:
    """Values and headers of which each breaks the contract in one way."""
    fine = {
        "ce_id": b"poison", "ce_type": TOPICS[topic].models[0].TYPE.encode(), "ce_source": b"test",
        "ce_time": b"2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    broken: list[dict[str, bytes]] = [
        fine | {"ce_source": b"\xff"}, fine | {"ce_type": b"okno.nothing.v1"}, fine | {"ce_time": b"noon"}, {},
    ]  # fmt: skip
    return [*((value, [*fine.items()]) for value in VALUES), *((b"{}", [*headers.items()]) for headers in broken)]


async def poison(town: Town, topic: str, key: str) -> None:
    await town.log.write(topic, poison_of(topic), key=key)
    town.poison += POISONS * len(readers(topic))


async def check(town: Town, topic: str) -> None:
    """The town is as it should be, and each reader has dead-lettered each poison record once."""
    await town.check()
    letters = await town.dead_letters()
    assert {one["topic"] for one in letters} == {topic}
    assert {one["state"] for one in letters} == {"waiting"}
    assert Counter(one["consumer"] for one in letters) == dict.fromkeys(readers(topic), POISONS)
    assert Counter(one["cause"] for one in letters) == {cause: n * len(readers(topic)) for cause, n in CAUSES.items()}
    offsets = {(one["partition"], one["offset"]) for one in letters}
    assert len(offsets) == POISONS


async def test_chat_events(town: Town) -> None:
    topic = "chat.events.v1"
    talk = await town.slack()
    async with one_batch(town, topic):
        await talk.says()
        await town.written(topic, talk.channel_key, 1)
        await poison(town, topic, talk.channel_key)
        await talk.says()
        await town.written(topic, talk.channel_key, 2 + POISONS)
    await talk.says()
    await check(town, topic)


async def test_chat_requests(town: Town) -> None:
    """The neighbours ask for threads that a colleague began before a customer wrote in them."""
    topic = "chat.requests.v1"
    colleague = await town.slack_user("Boris")
    await town.agent("Boris", f"slack:{colleague}")
    await town.quiet.wait()
    channel = await town.slack_channel()
    async with one_batch(town, topic):
        for number in range(2):
            talk = await town.slack(channel)
            await talk.says("an announcement", by=colleague)
            await talk.says("a question about it")
            await town.written(topic, talk.channel_key, 1 + number * (1 + POISONS))
            if number == 0:
                await poison(town, topic, talk.channel_key)
    await check(town, topic)


async def test_chat_profiles(town: Town) -> None:
    topic = "chat.profiles.v1"
    talks = []
    async with one_batch(town, topic):
        for _ in range(2):
            talks.append(await town.slack())
            await talks[-1].says()
            await town.written(topic, f"slack:{talks[-1].customer}", 1)
            if len(talks) == 1:
                await poison(town, topic, "slack:U0POISON")
    await check(town, topic)
    for talk in talks:
        assert (await town.clients.api("GET", f"/tickets/{await talk.ticket()}"))["requester"]["name"] == "Ada"


async def test_ticket_commands(town: Town) -> None:
    topic = "ticket.commands.v1"
    talk = await town.slack()
    async with one_batch(town, topic):
        await talk.says()
        await town.written(topic, talk.channel_key, 1)
        await poison(town, topic, talk.channel_key)
        await talk.says()
        await town.written(topic, talk.channel_key, 2 + POISONS)
    await talk.answered()
    await check(town, topic)


async def test_ticket_events(town: Town) -> None:
    topic = "ticket.events.v1"
    talk = await town.slack()
    await talk.says()
    ticket = await talk.ticket()
    await town.quiet.wait()
    async with one_batch(town, topic):
        await town.change(ticket, priority="high")
        await town.written(topic, ticket, 2)
        await poison(town, topic, ticket)
        await town.change(ticket, status="closed")
        await town.written(topic, ticket, 3 + POISONS)
    await check(town, topic)
    async with town.database() as connection:
        row = await connection.fetchrow("SELECT version, status FROM router.tickets WHERE ticket_id = $1", ticket)
    assert row is not None
    assert (row["version"], row["status"]) == (3, "closed")


async def test_desk_staff(town: Town) -> None:
    topic = "desk.staff.v1"
    colleagues = [await town.slack_user("Boris"), await town.slack_user("Vera")]
    async with one_batch(town, topic):
        await town.agent("Boris", f"slack:{colleagues[0]}")
        await town.written(topic, f"slack:{colleagues[0]}", 1)
        await poison(town, topic, "slack:U0POISON")
        await town.agent("Vera", f"slack:{colleagues[1]}")
        await town.written(topic, f"slack:{colleagues[1]}", 1)
    await town.quiet.wait()
    talk = await town.slack()
    await talk.says()
    for colleague in colleagues:
        await talk.says(by=colleague)
    await check(town, topic)
    kinds = [message["author"]["kind"] for message in await town.messages(await talk.ticket())]
    assert kinds == ["customer", "agent", "agent"]


async def test_desk_policy(town: Town) -> None:
    topic = "desk.policy.v1"
    before = (await town.clients.api("GET", "/policy"))["document"]
    try:
        async with one_batch(town, topic):
            await town.clients.api("PUT", "/policy", {"defaults": {"reopen_within": "1h"}})
            await poison(town, topic, "poison")
            last = await town.clients.api("PUT", "/policy", {"defaults": {"reopen_within": "2h"}})
        await check(town, topic)
        async with town.database() as connection:
            assert await connection.fetchval("SELECT version FROM router.policy") == last["version"]
    finally:
        await town.clients.api("PUT", "/policy", before)


async def test_chat_replies(town: Town) -> None:
    topic = "chat.replies.v1"
    talk = await town.slack()
    await talk.says()
    await talk.ticket()
    async with one_batch(town, topic):
        await talk.answered()
        await town.written(topic, talk.channel_key, 1)
        await poison(town, topic, talk.channel_key)
        await talk.answered()
        await town.written(topic, talk.channel_key, 2 + POISONS)
    await check(town, topic)


async def test_chat_receipts(town: Town) -> None:
    topic = "chat.receipts.v1"
    talk = await town.slack()
    await talk.says()
    await talk.ticket()
    async with one_batch(town, "chat.replies.v1"):
        await talk.answered()
        await town.written("chat.replies.v1", talk.channel_key, 1)
        async with one_batch(town, topic):
            town.stack.process("notifier-0").resume()
            await town.written(topic, talk.channel_key, 1)
            await poison(town, topic, talk.channel_key)
    await talk.answered()
    await check(town, topic)


async def test_every_topic_that_is_read_has_its_test_here() -> None:
    read = {topic for (_, consumer), topics in READERS.items() if consumer in PROCESSES for topic in topics}
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {topic.removesuffix(".v1").replace(".", "_") for topic in read} <= tests


async def _okno(town: Town, *arguments: str) -> str:
    info = town.stack.info.ticketing_api
    env = dict(town.stack.process("router-0").launch.env) | {"OKNO_API_URL": info.url, "OKNO_API_TOKEN": info.token}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", *arguments, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_command_line_lists_replays_and_discards_dead_letters(town: Town) -> None:
    """What is replayed goes to the end of its topic; still poison, it comes back as a new dead letter."""
    await town.log.write("chat.replies.v1", [(b"not JSON", [])], key="slack:C0POISON")
    town.poison = 1
    await town.check()
    (letter,) = await town.dead_letters()
    listed = json.loads(await _okno(town, "dead-letters", "list", "--json"))
    assert letter["id"] in {one["id"] for one in listed}
    assert json.loads(await _okno(town, "dead-letters", "show", letter["id"]))["value"] == "not JSON"
    await _okno(town, "dead-letters", "replay", letter["id"])
    town.poison = 2
    await town.check()
    again, first = await town.dead_letters()
    assert (first["id"], first["state"]) == (letter["id"], "replayed")
    assert (again["state"], again["offset"]) == ("waiting", letter["offset"] + 1)
    await _okno(town, "dead-letters", "discard", again["id"], "--reason", "a test's")
    assert [one["state"] for one in await town.dead_letters()] == ["discarded", "replayed"]
