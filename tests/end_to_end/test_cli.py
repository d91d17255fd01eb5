"""The `okno` command against the running stack, as an operator types it."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox.scenarios.cast import assemble
from sandbox.scenarios.clients import Clients, Doors
from sandbox.scenarios.model import Scenario
from sandbox.scenarios.play import play
from sandbox.stack.stack import Stack

ROOT = Path(__file__).parents[2]

STORY = Scenario.model_validate(
    {
        "title": "one question",
        "people": {"anna": {"name": "Anna", "platform": "slack"}},
        "channels": {"help": "help"},
        "steps": [
            {
                "name": "a question is a ticket",
                "do": {"post": {"by": "anna", "channel": "help", "text": "Where is lesson 4?", "save": "question"}},
                "see": {"ticket": {"of": "question", "save": "ticket", "status": "new"}},
            }
        ],
    }
)


@dataclass
class Said:
    code: int
    text: str


async def okno(stack: Stack, *arguments: str, **env: str) -> Said:
    """Run `okno` with the stack's addresses in its environment."""
    info = stack.info
    given = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "COLUMNS": "200",
        "OKNO_API_URL": info.ticketing_api.url,
        "OKNO_API_TOKEN": info.ticketing_api.token,
        "DATABASE_URL": info.postgres.dsn,
        "KAFKA_BOOTSTRAP_SERVERS": info.kafka.bootstrap_servers,
        "SLACK_BOT_TOKEN": info.slack.bot_token,
        "SLACK_API_URL": info.slack.api_url,
        "TELEGRAM_BOT_TOKEN": info.telegram.bot_token,
        "TELEGRAM_API_URL": info.telegram.api_url,
        **env,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", *arguments),
        cwd=ROOT,
        env=given,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return Said(process.returncode or 0, output.decode())


async def test_a_ticket_is_listed_shown_and_answered(stack: Stack) -> None:
    async with httpx.AsyncClient() as http:
        clients = Clients(http, Doors.of_stack(stack.info))
        cast = await play(STORY, clients, _silent)
        ticket, question = cast.tickets["ticket"], cast.messages["question"]
        listed = await okno(stack, "tickets", "list", "--platform", "slack")
        assert (listed.code, ticket in listed.text, "Where is lesson 4?" in listed.text) == (0, True, True)
        answered = await okno(stack, "tickets", "reply", ticket, "Here it is")
        assert answered.code == 0, answered.text
        path = f"/channels/{question.channel}/messages?thread_ts={question.id}"
        async with asyncio.timeout(30):
            while len((await clients.slack("GET", path))["messages"]) < 2:
                await asyncio.sleep(0.05)
        shown = json.loads((await okno(stack, "tickets", "show", ticket, "--json")).text)
        assert [message["text"] for message in shown["messages"]] == ["Where is lesson 4?", "Here it is"]


async def test_a_tickets_journeys_are_told_with_all_their_waits(stack: Stack) -> None:
    async with httpx.AsyncClient() as http:
        clients = Clients(http, Doors.of_stack(stack.info))
        cast = await play(STORY, clients, _silent)
        ticket = cast.tickets["ticket"]
        assert (await okno(stack, "tickets", "reply", ticket, "Here it is")).code == 0
        told = await okno(stack, "trace", ticket)
        assert "written in the chat" in told.text
        assert "name a trace store" in told.text
        store = f"sandbox+{stack.info.sandbox.traces_url}"
        async with asyncio.timeout(60):
            while "chat.postMessage" not in told.text or "process ticket.commands.v1" not in told.text:
                await asyncio.sleep(0.5)  # spans leave the processes every second
                told = await okno(stack, "trace", ticket, TRACE_STORE_URL=store)
        for hop in (
            "POST webhook",
            "publish",
            "wait in chat.events.v1",
            "process chat.events.v1",
            "decide",
            "outbox wait",
            "write reply",
        ):
            assert hop in told.text, hop
        journeys = json.loads((await okno(stack, "trace", ticket, "--json", "--store", store)).text)
        assert [one["about"] for one in journeys] == ["opened by customer Anna", "reply added by agent stack"]
        (span,) = [
            one
            for one in journeys[0]["spans"]
            if one["name"] == "process chat.events.v1" and "router" in one["process"]
        ]
        (decided,) = [one for one in journeys[0]["spans"] if one["name"] == "decide"]
        assert span["start_ns"] <= decided["start_ns"] <= decided["end_ns"] <= span["end_ns"]
        wrong = await okno(stack, "trace", ticket, "--store", "http://somewhere")
        assert (wrong.code, "is no trace store" in wrong.text) == (1, True)


async def _silent(*_: object) -> None:
    """The story needs no teller."""


async def test_the_doctor_finds_nothing_wrong_with_a_running_stack(stack: Stack) -> None:
    said = await okno(stack, "doctor")
    assert said.code == 0, said.text
    for found in ("ok  kafka", "ok  topics", "ok  schema router", "ok  slack", "ok  telegram"):
        assert found in said.text


async def test_the_doctor_names_what_is_wrong_and_what_to_do(stack: Stack) -> None:
    said = await okno(stack, "doctor", DATABASE_URL="postgresql://nobody@127.0.0.1:1/x", SLACK_BOT_TOKEN="xoxb-wrong")
    assert said.code == 1
    assert "WRONG  database: can't connect" in said.text
    assert "Is PostgreSQL up, and DATABASE_URL right?" in said.text
    assert "WRONG  slack: auth.test says invalid_auth" in said.text


async def test_a_policy_is_checked_before_it_is_applied(stack: Stack, tmp_path: Path) -> None:
    wrong, right = tmp_path / "wrong.yaml", tmp_path / "right.yaml"
    wrong.write_text("defaults: {reopen_within: three days, colour: red}\n")
    right.write_text("defaults: {reopen_within: 3d}\n")
    refused = await okno(stack, "policy", "apply", str(wrong))
    assert refused.code == 1
    assert "defaults.reopen_within" in refused.text
    assert "for instance 90s, 3m, 72h or 30d" in refused.text
    assert "defaults.colour" in refused.text
    applied = await okno(stack, "policy", "apply", str(right))
    assert applied.code == 0, applied.text
    assert "reopen_within: 3d" in (await okno(stack, "policy", "show")).text


async def test_tokens_are_made_listed_and_revoked(stack: Stack) -> None:
    token = (await okno(stack, "tokens", "create", "night shift", "--role", "read")).text.strip()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        url = f"{stack.info.ticketing_api.url}/v1/tickets"
        assert (await http.get(url)).status_code == 200
        row = next(line for line in (await okno(stack, "tokens", "list")).text.splitlines() if "night shift" in line)
        assert (await okno(stack, "tokens", "revoke", row.split()[0])).code == 0
        assert (await http.get(url)).status_code == 401
    refused = await okno(stack, "tickets", "list", OKNO_API_TOKEN=token)
    assert refused.code == 1
    assert "okno tokens create" in refused.text


async def test_paused_deliveries_wait_and_go_on(stack: Stack) -> None:
    async with httpx.AsyncClient() as http:
        clients = Clients(http, Doors.of_stack(stack.info))
        cast = await play(STORY, clients, _silent)
        ticket, question = cast.tickets["ticket"], cast.messages["question"]
        channel = f"slack:{question.channel}"
        assert (await okno(stack, "deliveries", "pause", "--channel", channel, "--reason", "test")).code == 0
        await clients.api("POST", f"/tickets/{ticket}/replies", {"text": "later"}, **{"Idempotency-Key": "pause-1"})
        async with asyncio.timeout(30):
            while f"{channel}  1" not in (listed := (await okno(stack, "deliveries", "pauses")).text):
                assert channel in listed
        path = f"/channels/{question.channel}/messages?thread_ts={question.id}"
        assert len((await clients.slack("GET", path))["messages"]) == 1
        assert (await okno(stack, "deliveries", "resume", "--channel", channel)).code == 0
        async with asyncio.timeout(30):
            while len((await clients.slack("GET", path))["messages"]) < 2:
                await asyncio.sleep(0.05)


async def test_topics_and_schemas_of_a_running_stack_are_in_line(stack: Stack) -> None:
    assert "as the registry wants them" in (await okno(stack, "topics", "check")).text
    assert (await okno(stack, "migrate")).text.count("up to date") == 4
    assert "ticket.commands.v1" in (await okno(stack, "positions", "list")).text


async def test_without_a_stack_the_command_says_what_to_do(stack: Stack) -> None:
    said = await okno(stack, "tickets", "list", OKNO_API_URL="http://127.0.0.1:1")
    assert said.code == 1
    assert "doesn't answer" in said.text
    assert "okno doctor" in said.text


async def test_a_cast_is_fresh_for_each_playing(stack: Stack) -> None:
    async with httpx.AsyncClient() as http:
        clients = Clients(http, Doors.of_stack(stack.info))
        first, second = await assemble(STORY, clients), await assemble(STORY, clients)
    assert first.channels != second.channels
    assert first.users != second.users
