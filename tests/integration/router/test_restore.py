"""A router's database that was set back: what was decided is taken from its commands, nothing is decided again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from typer.testing import CliRunner

from chassis import dead_letters
from chassis.database import Database
from chassis.migrations import migrate
from chassis.records import RELEASE
from chassis.restoring import reading
from chassis.settings import KafkaSettings
from cli.commands import app as okno
from contracts.base import RecordModel
from contracts.chat import Author
from contracts.desk_policy_v1 import Policy, PolicyPublished
from contracts.desk_staff_v1 import StaffIdentity, StaffRole
from contracts.ticket_commands_v1 import PlaceMessage, TicketCommand
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres.server import EmbeddedPostgres
from services.router import restore as restoring_router
from services.router.bootstrap import FOLDERS, SCHEMA
from tests import backups
from tests.integration.router.alone import receipt
from tests.integration.router.conftest import RouterBench
from tests.unit.router.makers import (
    ALICE,
    BOB,
    COURSE,
    DIALOG,
    DIRECT,
    FORUM,
    GROUP,
    MENTOR,
    OURS,
    at,
    delete,
    edit,
    moved,
    post,
    react,
    renamed,
)

COMMANDS = "ticket.commands.v1"
BLIND = {
    # Facts and rules are as far as the commands tell them; times are of the writing.
    "decisions": ("facts", "decided_at"),
    "messages": ("known_since",),
    "conversations": ("known_since",),
    "places": ("known_since",),
    "channel_aliases": ("moved_at",),
    "early_changes": ("kept_since", "traceparent"),
    "reference_versions": ("number",),
}
KNOWN_BETTER = ["decisions.rule: 'reaction', not 'early_reaction'"]
"""A reaction that waited for its receipt has its command by now."""
RENAMED, OTHER = renamed(COURSE, "slack:C99"), renamed(COURSE, "slack:C55")


@asynccontextmanager
async def bench_on(kafka: EmbeddedKafka, dsn: str, *, park_keys: bool = False) -> AsyncIterator[RouterBench]:
    """Records for Kafka, and a router on this database whose work is done when the block ends."""
    from aiokafka import AIOKafkaProducer

    settings = KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    database = await Database.connect(dsn, schema=SCHEMA, process="test")
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all", linger_ms=0)
    await producer.start()
    bench = RouterBench(settings, database, producer, dsn)
    try:
        async with bench.router(park_keys=park_keys):
            yield bench
            await bench.settled()
            await bench.until(bench.outbox_published)
    finally:
        await producer.stop()
        await database.close()


async def opened_by(bench: RouterBench, question: RecordModel) -> PlaceMessage:
    """The command that a question became."""
    await bench.settled()
    found = [one for one in await bench.published(COMMANDS) if isinstance(one, PlaceMessage)]
    return next(one for one in found if one.event_id == question.record_id)


def staff(person: Author, *, active: bool, version: int) -> StaffIdentity:
    return StaffIdentity(
        identity=person.key, agent_id="agt_mentor", name="Mentor", role=StaffRole.MENTOR, active=active,
        version=version, updated_at=at(0),
    )  # fmt: skip


def policy(version: int, **document: object) -> PolicyPublished:
    return PolicyPublished(
        version=version, document=Policy.model_validate(document), applied_at=at(0), applied_by="tests"
    )


BEFORE = [post(ALICE, 0, "before"), post(BOB, 0, "before", DIALOG), post(ALICE, 0, "before", GROUP)]


async def work_since(bench: RouterBench) -> None:
    """Each rule by which the view changes: bursts, threads, edits before their message, the desk, automatic answers."""
    first = BEFORE[0]
    late = post(ALICE, 1500, "came after its edit")
    burst = [post(BOB, 1000, "one"), post(BOB, 1060, "two"), post(BOB, 1120, "three")]
    in_second_root = post(BOB, 1200, "in the thread of the second", thread=1060)
    await bench.send(
        *burst, in_second_root, edit(first, 1210, "edited"), post(MENTOR, 1220, "answer", thread=0),
        post(MENTOR, 1230, "to all"), post(ALICE, 1240, "price?", DIRECT), delete(burst[1], 1300),
        edit(late, 1505, "the edit"), late, post(ALICE, 1600, "topic", FORUM, thread="7"),
        post(ALICE, 1610, "/close", DIALOG), post(BOB, 1620, "again", DIALOG), react(first, 1630),
        edit(post(BOB, 1700), 1705, "its message never comes"),
    )  # fmt: skip
    # A question that is answered without a ticket, and comes again as the context of the one that follows.
    await bench.send(
        post(ALICE, 1800, "price?", OTHER), post(ALICE, 1810, "and yours?", OTHER, thread=1800),
        post(ALICE, 1800, "price?", OTHER, backfilled=True),
    )  # fmt: skip
    # A post of ours in a plain group: a reaction waits for its receipt, and a reply follows it.
    ours = post(OURS, 2000, "we look at it", GROUP)
    group = await opened_by(bench, BEFORE[2])
    await bench.send(react(ours, 2010))
    await bench.settled()
    assert group.open is not None
    await bench.send(receipt(ours.message_key, group.open.conversation_id, GROUP.key))
    await bench.settled()
    await bench.send(
        post(BOB, 2100, "thanks", GROUP, reply_to=ours.message_key),
        moved(COURSE, RENAMED, 2200),
    )
    await bench.settled()
    await bench.send(
        post(ALICE, 2300, "in the old thread", RENAMED, thread=0),
        post(ALICE, 2400, "top", RENAMED),
    )


@pytest.fixture
async def backup(database_url: str, kafka: EmbeddedKafka, registry_topics: None) -> str:
    """The DSN of a database with a little work in it, which will have stayed behind."""
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    async with bench_on(kafka, database_url) as bench:
        await bench.send(staff(MENTOR, active=True, version=1), policy(1, answers=[
            {"name": "prices", "text": "On our page.", "words": ["price"], "opens_ticket": False}]))  # fmt: skip
        await bench.settled()
        await bench.send(*BEFORE)
    return database_url


async def restore(dsn: str, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    said = await asyncio.to_thread(CliRunner().invoke, okno, ["restore", "--service", "router"])
    assert said.exit_code == 0, said.output
    return said.output


async def test_the_view_is_what_it_was_and_nothing_is_decided_again(
    backup: str, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backups.copied(postgres, backup) as lost:
        async with bench_on(kafka, lost) as bench:
            await work_since(bench)
        expected = await backups.rows(lost, SCHEMA, blind=BLIND)
        published = await bench_records(kafka)

        said = await restore(backup, kafka, monkeypatch)
        assert "of them by commands; 0 follow" in said
        assert backups.differences(await backups.rows(backup, SCHEMA, blind=BLIND), expected) == KNOWN_BETTER
        async with bench_on(kafka, backup) as bench:
            await bench.settled()
            assert await in_effect(bench) == published
            # And it goes on, in the conversations that it has now.
            await bench.send(post(BOB, 3000, "more", thread=1060))
        command = await last_command(kafka)
    assert command.decided.rule == "append_thread"


async def test_a_policy_of_today_decides_nothing_of_yesterday(
    backup: str, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backups.copied(postgres, backup) as lost:
        async with bench_on(kafka, lost) as bench:
            await bench.send(post(MENTOR, 1000, "to all"), post(ALICE, 1100, "help"))
            await bench.settled()
            await bench.send(staff(MENTOR, active=False, version=2), policy(2, defaults={"queue": "other"}))
        published = await bench_records(kafka)
        await restore(backup, kafka, monkeypatch)
        async with bench_on(kafka, backup) as bench:
            await bench.settled()
            assert await in_effect(bench) == published
            rules = await bench.rules()
    assert rules[post(ALICE, 1100).record_id] == "open"
    assert rules[post(MENTOR, 1000).record_id] == "restored"


async def test_what_was_done_before_it_was_killed_stays_and_the_rest_follows(
    backup: str, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backups.copied(postgres, backup) as lost:
        async with bench_on(kafka, lost) as bench:
            await work_since(bench)
        expected = await backups.rows(lost, SCHEMA, blind=BLIND)

        class Killed(Exception):
            pass

        told: list[str] = []

        def tell(text: str) -> None:
            told.append(text)
            if len([one for one in told if "partition" in one]) == 2:
                raise Killed

        async with reading(KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)) as log:
            with pytest.raises(Killed):
                await restoring_router.restore(backup, log, tell)
        await restore(backup, kafka, monkeypatch)
        assert backups.differences(await backups.rows(backup, SCHEMA, blind=BLIND), expected) == KNOWN_BETTER


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON decisions FOR EACH ROW WHEN (NEW.event_id = '{}') EXECUTE FUNCTION refuse()"""


async def test_what_was_put_aside_since_is_not_decided_and_holds_up_its_key_again(
    backup: str, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dialog's first event breaks each attempt, its second waits behind; the channel goes on."""
    broken, behind = post(BOB, 3000, "broken", DIALOG), post(BOB, 3100, "behind", DIALOG)
    async with backups.copied(postgres, backup) as lost:
        async with bench_on(kafka, lost, park_keys=True) as bench:
            await bench.database.pool.execute(REFUSE.format(broken.record_id))
            await bench.send(broken, behind, post(ALICE, 3200, "goes on", GROUP))
            await bench.settled()
            lines = await bench.database.pool.fetch("SELECT * FROM parked_records ORDER BY record_offset")
        assert len(lines) == 2
        said = await restore(backup, kafka, monkeypatch)
        assert "recovered: 2 records of chat.events.v1 wait as dead letters and hold up the later ones" in said
        letters = [one async for one in dead_letters.read(bench.settings, "chat.events.v1.dead")]
        async with bench_on(kafka, backup, park_keys=True) as bench:
            restored = await bench.database.pool.fetch("SELECT * FROM parked_records ORDER BY record_offset")
            assert [dict(one) | {"parked_at": None} for one in restored] == [
                dict(one) | {"parked_at": None} for one in lines
            ]
            third = post(BOB, 3300, "third", DIALOG)
            await bench.send(third)
            await bench.settled()
            assert third.record_id not in await bench.rules()
            for one in letters:
                release = f"router:{one.origin_partition}:{one.origin_offset}".encode()
                await bench.producer.send_and_wait(
                    one.origin_topic, one.value, key=one.key, headers=[*one.headers, (RELEASE, release),
                    (dead_letters.FIRST, f"router:{one.first_offset}".encode())],
                )  # fmt: skip
            await bench.settled()
            rules = await bench.rules()
            assert {"broken": rules.get(broken.record_id), "behind": rules.get(behind.record_id)} == {
                "broken": "append_dialog", "behind": "append_dialog"
            }  # fmt: skip
        # What was released on the topic is released in a backup that doesn't know of it.
        connection = await asyncpg.connect(lost)
        await connection.execute("DROP TRIGGER refuse ON router.decisions")
        await connection.close()
        said = await restore(lost, kafka, monkeypatch)
        assert "recovered: 1 records of chat.events.v1 wait as dead letters" in said


async def bench_records(kafka: EmbeddedKafka) -> list[str]:
    settings = KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    return await in_effect(RouterBench(settings, None, None, ""))  # type: ignore[arg-type]


async def in_effect(bench: RouterBench) -> list[str]:
    """Ids of all commands, repeated ones once."""
    records = await bench.published(COMMANDS)
    return sorted({one.command_id for one in records if isinstance(one, TicketCommand)})


async def last_command(kafka: EmbeddedKafka) -> TicketCommand:
    settings = KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    records = await RouterBench(settings, None, None, "").published(COMMANDS)  # type: ignore[arg-type]
    commands = [one for one in records if isinstance(one, PlaceMessage)]
    return max(commands, key=lambda one: one.message.sent_at)
