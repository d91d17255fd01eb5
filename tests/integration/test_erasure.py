"""A person is erased while work goes on: nothing of theirs in any table, and the tickets live on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from chassis import compared, outbox
from chassis.clock import ManualClock
from chassis.database import Database
from chassis.dead_letters import DeadLetter
from chassis.kafka import make_producer
from chassis.migrations import migrate
from chassis.relay import Relay
from chassis.settings import KafkaSettings
from cli.erase import erase_everywhere
from cli.processes import SERVICES, migration_folders
from contracts.chat import Attachment, Author, Channel, ChannelType, Person
from contracts.chat_events_v1 import ReactionChanged
from contracts.chat_profiles_v1 import PersonProfile
from contracts.codec import encode
from contracts.keys import Platform, telegram_channel, telegram_person
from contracts.ticket_commands_v1 import PlaceMessage, TicketCommand
from sandbox.stack.kafka.server import EmbeddedKafka
from services.ingest.worker.run import Noting
from services.notifier.handle import handle
from services.ticketing import tokens
from services.ticketing.api.app import create_app
from services.ticketing.store.dead_letters import Room, store_dead_letters
from services.ticketing.tokens import Scope
from tests import topic_reader
from tests.integration.router.alone import Router
from tests.integration.ticketing.desk import Desk, record_of
from tests.unit.router.makers import NOW, at, edit, post

ROOT = Path(__file__).parents[2]
ASYA = Author(key=telegram_person(501), name="Asya Secretova")
BORIS = Author(key=telegram_person(502), name="Boris")
DIALOG = Channel(
    key=telegram_channel(7700, 501),
    platform=Platform.TELEGRAM,
    workspace="7700",
    type=ChannelType.DIALOG,
    name="secretova",
)
GROUP = Channel(key=telegram_channel(7700, -5), platform=Platform.TELEGRAM, workspace="7700", type=ChannelType.GROUP)
FILE = Attachment(id="F1", name="secret.pdf", url="https://files.example/secret.pdf")
QUESTION = post(ASYA, 0, "my secret question", DIALOG, attachments=(FILE,))
EDITED = edit(QUESTION, 5, "my secret question, better put")
COMING = post(ASYA, 60, "", DIALOG)
EARLY = edit(COMING, 70, "a secret for later")
OTHERS = post(BORIS, 10, "everybody may read this", GROUP)
ANSWER = post(ASYA, 20, "my secret answer", GROUP, reply_to=OTHERS.message_key)

CORRECT = """
INSERT INTO dead_letter_edits (dead_letter_id, number, key, value, headers, edited_at, edited_by)
SELECT min(id), 1, $1, $2, '[]', now(), 'test' FROM dead_letters"""
FIND = """
INSERT INTO reading_finds (channel_key, event_id, ordinal, rank, type, event)
VALUES ($1, $2, 1, 1, 'okno.chat.message_edited.v1', $3)"""


@dataclass
class Town:
    """All four schemas in one database, fed without consumers; nothing of their outboxes is published."""

    dsn: str
    databases: dict[str, Database]
    router: Router
    desk: Desk

    async def say(self, *events: Any) -> None:
        """Through ingest's worker and the router to ticketing; the outboxes keep what they have."""
        records = [self.router.record(event, 0) for event in events]
        for schema, work in (("ingest", Noting().handle), ("router", self.router.worker.handle)):
            async with self.databases[schema].transaction() as connection:
                await work(records, connection)
        rows = await self.databases["router"].pool.fetch("SELECT payload, headers FROM outbox ORDER BY id")
        commands = []
        for row in rows:
            headers = [(n, v) for n, v in outbox.unpack_headers(row["headers"]) if v is not None]
            model = outbox_model(headers, row["payload"])
            if isinstance(model, TicketCommand):
                commands.append(model)
        await self.desk.apply(*commands)

    async def found(self, *words: str) -> list[str]:
        """Tables in which any of the words stands, as text or in bytes."""
        hits = []
        for schema, database in self.databases.items():
            tables = await database.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
            for (table,) in tables:
                for word in words:
                    texts = [word.lower(), word.encode().hex(), word.capitalize().encode().hex()]
                    query = f"SELECT count(*) FROM {table} t, unnest($1::text[]) w WHERE strpos(lower(t::text), w) > 0"
                    if await database.pool.fetchval(query, texts):
                        hits.append(f"{schema}.{table}: {word}")
        return hits


def outbox_model(headers: list[tuple[str, bytes]], value: bytes) -> Any:
    from contracts.topics import MODELS

    return MODELS[dict(headers)["ce_type"].decode()].model_validate_json(value)


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        databases = {}
        for schema in SERVICES:
            await migrate(database_url, schema=schema, folders=migration_folders(schema))
            databases[schema] = await Database.connect(database_url, schema=schema, process="test")
            stack.push_async_callback(databases[schema].close)
        clock = ManualClock(NOW)
        async with databases["ticketing"].transaction() as connection:
            await compared.mark(connection, await compared.this_database(connection))
            created = await tokens.create(connection, "tests", scope=Scope.ADMIN)
        transport = httpx.ASGITransport(app=create_app(databases["ticketing"], clock), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {created.token}"}
        client = httpx.AsyncClient(transport=transport, base_url="http://okno", headers=headers)
        http = await stack.enter_async_context(client)
        yield Town(database_url, databases, Router(databases["router"]), Desk(databases["ticketing"], clock, http))


async def lived(town: Town) -> dict[str, Any]:
    """A life in all tables. Returns Asya's own ticket."""
    await town.say(QUESTION, EDITED, EARLY, OTHERS, ANSWER)
    ticket = next(one for one in await town.desk.tickets() if one["channel"]["key"] == DIALOG.key)
    path = f"/v1/tickets/{ticket['id']}"
    said = {"text": "Dear Asya, about your secret question"}
    reply = await town.desk.http.post(f"{path}/replies", json=said, headers={"Idempotency-Key": "k1"})
    assert reply.status_code in {200, 201, 202}, reply.text
    assert (await town.desk.http.post(f"{path}/notes", json={"text": "the secret one"})).status_code in {200, 201}
    replies = await town.desk.said("chat.replies.v1")
    async with town.databases["notifier"].transaction() as connection:
        for one in replies:
            named = one.model_copy(update={"mentions": (Person(key=ASYA.key, name=ASYA.name),)})
            await handle([record_of(named)], connection)
    await town.databases["ticketing"].pool.execute("DELETE FROM outbox WHERE topic = 'chat.replies.v1'")
    placed = next(one for one in await town.router.sent() if isinstance(one, PlaceMessage))
    await town.databases["ticketing"].pool.execute("DELETE FROM dead_letters")
    sent = encode(placed, source="test", time=NOW)
    ours = letter(1, sent.key, sent.value, tuple(sent.headers))
    raw = letter(2, b"telegram", b'{"message":{"from":{"id":501,"first_name":"Secretova"}}', ())
    async with town.databases["ticketing"].transaction() as connection:
        assert await store_dead_letters(connection, [ours, raw], NOW, Room()) == []
        await connection.execute(CORRECT, sent.key, sent.value)
    find = encode(EARLY, source="test", time=NOW).value.decode()
    await town.databases["ingest"].pool.execute(FIND, DIALOG.key, EARLY.record_id, find)
    return dict(ticket)


def letter(offset: int, key: bytes, value: bytes, headers: Any) -> DeadLetter:
    from chassis.dead_letters import PREFIX, parse

    said = {
        "consumer": "ticketing",
        "topic": "ticket.commands.v1",
        "partition": "0",
        "offset": str(offset),
        "cause": "x",
    }
    told = [(f"{PREFIX}{name}", content.encode()) for name, content in said.items()]
    return parse("ticket.commands.v1.dead", 0, offset, key, value, [*headers, *told])


async def sent_out(town: Town) -> None:
    await town.databases["notifier"].pool.execute("UPDATE operations SET state = 'sent', ended_at = now()")


async def test_nothing_of_a_person_is_left_in_any_table(town: Town) -> None:
    await lived(town)
    await sent_out(town)
    before = await town.found("secret")
    schemas = {hit.partition(".")[0] for hit in before}
    assert schemas == set(SERVICES), before
    await erase_everywhere(town.dsn, ASYA.key)
    assert await town.found("secret") == []
    assert await town.found("Dear Asya") == []
    assert await town.found("everybody may read this") != []
    again = await erase_everywhere(town.dsn, ASYA.key)
    assert {place for place, number in again.items() if number} == {("ingest", "profiles")}
    letters = await town.databases["ticketing"].pool.fetch("SELECT key, truncated FROM dead_letters ORDER BY id")
    assert [tuple(letter) for letter in letters] == [(DIALOG.key.encode(), False), (b"telegram", True)]


async def test_the_tickets_of_an_erased_person_live_on(town: Town) -> None:
    ticket = await lived(town)
    await sent_out(town)
    await erase_everywhere(town.dsn, ASYA.key)
    path = f"/v1/tickets/{ticket['id']}"
    before = (await town.desk.http.get(path)).json()

    await town.say(QUESTION, EDITED, EARLY, OTHERS, ANSWER)
    assert (await town.desk.http.get(path)).json() == before
    assert not [hit for hit in await town.found("secret") if hit.startswith("ticketing")]

    await town.say(post(ASYA, 600, "I am back", DIALOG))
    after = (await town.desk.http.get(path)).json()
    assert after["version"] == before["version"] + 1
    shown = await town.desk.messages(ticket["id"])
    assert shown[-1]["text"] == "I am back"
    history = await town.desk.history(ticket["id"])
    assert sorted(entry["version"] for entry in history) == list(range(1, after["version"] + 1))


async def test_a_repeated_request_has_no_second_effect(town: Town) -> None:
    ticket = await lived(town)
    await sent_out(town)
    await erase_everywhere(town.dsn, ASYA.key)
    said = {"text": "Dear Asya, about your secret question"}
    path = f"/v1/tickets/{ticket['id']}"
    repeated = await town.desk.http.post(f"{path}/replies", json=said, headers={"Idempotency-Key": "k1"})
    assert repeated.json() == {}
    assert len([one for one in await town.desk.messages(ticket["id"]) if one["kind"] == "reply"]) == 1


async def test_a_reply_on_its_way_keeps_its_text_until_it_is_sent(town: Town) -> None:
    await lived(town)
    done = await erase_everywhere(town.dsn, ASYA.key)
    assert done["notifier", "waiting"] == 1
    assert await town.found("Dear Asya") == ["notifier.deliveries: Dear Asya"]
    await sent_out(town)
    done = await erase_everywhere(town.dsn, ASYA.key)
    assert (done["notifier", "deliveries"], done["notifier", "waiting"]) == (1, 0)
    assert await town.found("Dear Asya") == []


async def typed(town: Town, person: str) -> tuple[int, str]:
    """The command as an operator gives it: exit code and all that it says."""
    environment = {**os.environ, "DATABASE_URL": town.dsn}
    command = [sys.executable, "-m", "cli", "erase", person]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, env=environment, cwd=ROOT)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_the_command_says_what_it_did_and_what_stays(town: Town) -> None:
    await lived(town)
    code, said = await typed(town, ASYA.key)
    assert code == 1
    assert "1 replies to the person may still be sent" in said
    await sent_out(town)
    code, said = await typed(town, ASYA.key)
    assert code == 0
    assert "ticket.events and all dead letters for 30" in said
    for wrong in ("asya", "slack:C1:1.1"):
        code, said = await typed(town, wrong)
        assert code == 1
        assert "Traceback" not in said


class Killed(Exception):
    """The command dies here."""


@pytest.mark.parametrize("killed_after", range(1, 8))
async def test_a_command_that_is_killed_is_finished_by_the_next_one(
    town: Town, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    await lived(town)
    await sent_out(town)
    left = killed_after
    transaction = Database.transaction

    def counted(self: Database) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return transaction(self)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "transaction", counted)
        with pytest.raises(Killed):
            await erase_everywhere(town.dsn, ASYA.key)
    assert await town.found("secret") != []
    await erase_everywhere(town.dsn, ASYA.key)
    assert await town.found("secret") == []


async def test_a_member_of_the_desk_is_not_erased(town: Town) -> None:
    agent = {"name": "Mentor", "role": "mentor", "identities": [ASYA.key]}
    assert (await town.desk.http.post("/v1/agents", json=agent)).status_code == 201
    with pytest.raises(typer.Exit):
        await erase_everywhere(town.dsn, ASYA.key)


async def profiles(kafka: EmbeddedKafka) -> list[tuple[bytes, bytes | None]]:
    records = await topic_reader.records(kafka.bootstrap_servers, "chat.profiles.v1")
    return [(one.key, one.value) for one in records]


async def test_a_profile_ends_with_a_tombstone_and_only_what_is_newer_begins_it_anew(
    town: Town, kafka: EmbeddedKafka, registry_topics: None
) -> None:
    del registry_topics
    producer = make_producer(KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers))
    await producer.start()
    relay = Relay(
        database=town.databases["ingest"], producer=producer, process="test", lease=None, fault_prefix="ingest"
    )
    noting = Noting()

    async def note(*events: Any) -> None:
        async with town.databases["ingest"].transaction() as connection:
            await noting.handle([town.router.record(event, 0) for event in events], connection)
        await relay.publish_once()

    try:
        await note(QUESTION)
        await erase_everywhere(town.dsn, ASYA.key)
        await relay.publish_once()
        key = ASYA.key.encode()
        assert [(name, value is None) for name, value in await profiles(kafka)] == [(key, False), (key, True)]

        await note(QUESTION, ANSWER)
        assert len(await profiles(kafka)) == 2
        now = await town.databases["ingest"].pool.fetchval("SELECT clock_timestamp()")
        await note(COMING.model_copy(update={"occurred_at": now + timedelta(seconds=1)}))
        (last, value) = (await profiles(kafka))[-1]
        assert last == key
        assert json.loads(value or b"{}")["name"] == ASYA.name
    finally:
        await producer.stop()


async def test_a_profile_from_before_the_erasure_names_nobody(town: Town) -> None:
    await lived(town)
    await erase_everywhere(town.dsn, ASYA.key)
    old = PersonProfile(person_key=ASYA.key, name="Asya Secretova", updated_at=at(30))
    await town.desk.apply(old)
    name = await town.databases["ticketing"].pool.fetchval(
        "SELECT name FROM identities WHERE person_key = $1", ASYA.key
    )
    assert name is None


async def test_reactions_that_wait_lose_the_name_only(town: Town) -> None:
    reaction = ReactionChanged(
        channel=DIALOG, occurred_at=at(1), received_at=at(1), message_key=QUESTION.message_key,
        person=ASYA, name="eyes", added=True,
    )  # fmt: skip
    await town.say(reaction)
    await erase_everywhere(town.dsn, ASYA.key)
    event = await town.databases["router"].pool.fetchval("SELECT convert_from(event, 'UTF8') FROM early_changes")
    assert json.loads(event)["name"] == "eyes"
    assert "Secretova" not in event
    await town.say(QUESTION)
    (ticket,) = await town.desk.tickets()
    assert (await town.desk.messages(ticket["id"]))[0]["reactions"]
