"""A ticketing database that was set back is brought forward by `okno restore`, as far as the log goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from typer.testing import CliRunner

from chassis import restoring
from chassis.clock import ManualClock
from chassis.database import Database
from chassis.migrations import migrate
from chassis.restoring import reading
from chassis.settings import KafkaSettings
from cli.commands import app as okno
from contracts.base import RecordModel
from contracts.desk_policy_v1 import PolicyPublished
from contracts.desk_staff_v1 import StaffIdentity
from contracts.keys import slack_channel
from contracts.ticket_commands_v1 import CloseTicket, MoveChannel, RecordReaction, RemoveMessage, ReviseMessage, Role
from contracts.ticket_events_v1 import TicketChanged
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres.server import EmbeddedPostgres
from services.ticketing import tokens
from services.ticketing.api.app import create_app
from services.ticketing.bootstrap import MIGRATIONS, SCHEMA
from services.ticketing.domain.ticket import CARRIED
from services.ticketing.restore import restore as restore_ticketing
from services.ticketing.store.numbers import Logged, free_numbers, keep_numbers
from services.ticketing.tokens import Scope
from tests import backups
from tests.integration.ticketing.desk import (
    NOW,
    STUDENT,
    Desk,
    common,
    key_at,
    later,
    place_message,
    slack_place,
    telegram_place,
)
from tests.integration.ticketing.processes import Processes
from tests.integration.ticketing.test_replies import receipt

WORKER = "ticketing-worker"
UNCARRIED = ("tokens", "idempotency_keys", "commands", "compared_database")
BLIND = {
    "channel_aliases": ("moved_at",),
    "early_receipts": ("arrived_at",),
    "early_changes": ("arrived_at", "traceparent"),
    "agents": ("created_at", "updated_at"),
}
THREADS = [slack_place("C1", f"17163000{n:02}.000100") for n in range(6)]
DIALOG = telegram_place(4711)


class Scene:
    """A worker on one of the two databases, customers who write to Kafka, and agents at the API."""

    def __init__(self, dsn: str, kafka: EmbeddedKafka, folder: Path) -> None:
        folder.mkdir()
        self.dsn = dsn
        self.kafka = kafka
        self.folder = folder
        self.sent = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Processes, Desk]]:
        """A worker runs while the block does, and has nothing left to do when it ends."""
        database = await Database.connect(self.dsn, schema=SCHEMA, process="test", max_size=8)
        processes = Processes(self.dsn, self.kafka.bootstrap_servers, self.folder, database)
        clock = ManualClock(NOW)
        async with database.transaction() as connection:
            created = await tokens.create(connection, "tests", scope=Scope.ADMIN)
        transport = httpx.ASGITransport(app=create_app(database, clock), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {created.token}"}
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://okno", headers=headers) as client:
                worker = await processes.start(WORKER)
                await processes.compared()
                yield processes, Desk(database, clock, client)
                await self.idle(processes)
                worker.terminate()
                assert await worker.wait() == 0
        finally:
            await processes.end()
            await database.close()

    async def idle(self, processes: Processes) -> None:
        """Until all records are read and published."""
        ends = await log_ends(self.kafka)

        async def read() -> bool:
            rows = await processes.database.pool.fetch("SELECT topic, partition, next_offset FROM positions")
            stored = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            return all(stored.get(key, 0) >= end for key, end in ends.items())

        await processes.until(read)
        await processes.relayed()

    async def rows(self) -> backups.Rows:
        return await backups.rows(self.dsn, SCHEMA, without=UNCARRIED, blind=BLIND)


@asynccontextmanager
async def api_alone(dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    """Without a worker beside it."""
    database = await Database.connect(dsn, schema=SCHEMA, process="test")
    async with database.transaction() as connection:
        created = await tokens.create(connection, "agent", scope=Scope.ADMIN)
    transport = httpx.ASGITransport(app=create_app(database, ManualClock(NOW)), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {created.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://okno", headers=headers) as client:
        yield client
    await database.close()


async def log_ends(kafka: EmbeddedKafka) -> dict[tuple[str, int], int]:
    from aiokafka import TopicPartition

    from contracts.topics import TOPICS
    from services.ticketing.worker import TOPICS_READ
    from tests import topic_reader

    asked = [TopicPartition(name, n) for name in TOPICS_READ for n in range(TOPICS[name].partitions)]
    found = await topic_reader.ends(kafka.bootstrap_servers, asked)
    return {(tp.topic, tp.partition): end for tp, end in found.items() if end}


@pytest.fixture
async def backup(database_url: str, kafka: EmbeddedKafka, registry_topics: None, tmp_path: Path) -> Scene:
    """The database that will have stayed behind."""
    await migrate(database_url, schema=SCHEMA, folders=MIGRATIONS)
    return Scene(database_url, kafka, tmp_path / "backup")


async def restore(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `okno restore` prints."""
    monkeypatch.setenv("DATABASE_URL", scene.dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", scene.kafka.bootstrap_servers)
    said = await asyncio.to_thread(CliRunner().invoke, okno, ["restore", "--service", "ticketing"])
    assert said.exit_code == 0, said.output
    return said.output


async def interrupted(scene: Scene) -> None:
    """Ended in the middle, it has changed nothing."""
    before = await scene.rows()

    class Killed(Exception):
        pass

    def tell(text: str) -> None:
        if "commands known" in text:  # all events are folded by then
            raise Killed

    async with reading(KafkaSettings(kafka_bootstrap_servers=scene.kafka.bootstrap_servers)) as log:
        with pytest.raises(Killed):
            await restore_ticketing(scene.dsn, log, tell)
    assert await scene.rows() == before


def commands(n: int, model: type[RecordModel], place: Any, **fields: Any) -> Any:
    return model(**common(f"{place.channel.key}:test:{n}", place.channel.key), **fields)


async def work_before(processes: Processes, desk: Desk) -> dict[str, Any]:
    """Three tickets, one answered, one closed."""
    await desk.agent("Vera", "slack:U9")
    opening = [place_message(place, f"{n}", at=later(n)) for n, place in enumerate(THREADS[:3])]
    await processes.send(*opening)

    async def stored() -> bool:
        return await processes.count("tickets") == 3

    await processes.until(stored)
    found = await desk.tickets()
    by_place = {
        place.key: next(one for one in found if one["subject"] == f"{n}") for n, place in enumerate(THREADS[:3])
    }
    await desk.reply(by_place[THREADS[0].key]["id"])
    return {"opening": opening, "tickets": by_place}


async def work_since(processes: Processes, desk: Desk, before: dict[str, Any]) -> None:
    """Everything that can happen to a ticket, by customers and agents."""
    first, second, third = (before["tickets"][place.key] for place in THREADS[:3])
    opening = before["opening"]
    vera = (await desk.get("/agents"))["items"][0]["id"]
    rene = await desk.agent("René", "slack:U8")
    files = ({"id": "F1", "name": "a.pdf", "media_type": "application/pdf", "size": 3},)
    added = [
        place_message(THREADS[0], "more", at=later(60), attachments=files),
        place_message(THREADS[0], "staff", at=later(61), role=Role.DESK, agent_id=vera),
        place_message(THREADS[3], "fourth", at=later(62)),
        place_message(DIALOG, "dialog\0", at=later(63), reply_to=None),
        place_message(THREADS[3], "read in", at=later(30), context=True),
    ]
    noise = [  # these leave no event
        place_message(THREADS[4], "nobody's", at=later(64), role=Role.DESK, opens=False),
        commands(1, CloseTicket, THREADS[4], place_key=THREADS[4].key, by=STUDENT, role=Role.CUSTOMER, at=later(65)),
        commands(
            2, ReviseMessage, THREADS[0], message_key=opening[0].message.message_key, text="0", edited_at=later(1)
        ),
    ]
    early = commands(
        3, RecordReaction, THREADS[5], message_key=key_at(THREADS[5], later(999)), person=STUDENT, name="eyes",
        added=True, at=later(66),
    )  # fmt: skip
    changes = [
        commands(
            4, ReviseMessage, THREADS[0], message_key=opening[0].message.message_key, text="edited", edited_at=later(70)
        ),
        *(
            commands(100 + n, ReviseMessage, THREADS[0], message_key=opening[0].message.message_key, text=f"edit {n}",
                     edited_at=later(71 + n / 100))
            for n in range(CARRIED + 5)
        ),
        commands(5, RemoveMessage, THREADS[1], message_key=opening[1].message.message_key, deleted_at=later(71)),
        *(
            commands(6 + n, RecordReaction, THREADS[2], message_key=opening[2].message.message_key, person=STUDENT,
                     name=name, added=added_, at=later(72 + n))
            for n, (name, added_) in enumerate([("eyes", True), ("tada", True), ("eyes", False)])
        ),
    ]  # fmt: skip
    # Now a ticket is there: what came to nothing before must not be put into it.
    asked = place_message(THREADS[4], "somebody's", at=later(63))
    await processes.send(*added, *noise, early, *changes, asked)

    async def stored() -> bool:
        return await processes.count("tickets") == 6 and await processes.count("reactions") == 2

    await processes.until(stored)
    reply = await desk.reply(second["id"], "An answer", mentions=[rene["id"]])
    await processes.send(
        receipt(reply["id"], 1, "queued"),
        receipt(reply["id"], 2, "sent", message_keys=("slack:C1:9.000001", "slack:C1:9.000002")),
        receipt("rpl_unheard_of", 1, "sent", message_keys=("slack:C1:9.000003",)),
    )

    async def sent() -> bool:
        return await processes.count("posted_keys") == 2

    await processes.until(sent)
    await desk.http.patch(f"/v1/tickets/{second['id']}/replies/{reply['id']}", json={"text": "A better answer"})
    await desk.http.post(f"/v1/tickets/{third['id']}/notes", json={"text": "Only for us"})
    # The place goes on with a new ticket, whose events are on another partition than the end of the old one.
    third = await desk.ticket(third["id"])
    assert (await desk.patch(third, status="closed", tags=["a", "b"], queue="billing")).status_code == 200
    await processes.send(
        place_message(THREADS[2], "a new question", at=NOW + timedelta(days=30)),
        place_message(THREADS[2], "and more", at=NOW + timedelta(days=30, seconds=1)),
        commands(
            20, MoveChannel, THREADS[0], channel=THREADS[0].channel.model_copy(update={"key": slack_channel("C2")})
        ),
    )

    async def moved() -> bool:
        return await processes.count("channel_aliases") == 1

    await processes.until(moved)
    assert (await desk.ticket(first["id"]))["version"] > 3


async def test_what_customers_and_agents_did_since_the_backup_is_there_again(
    backup: Scene, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backup.open() as (processes, desk):
        before = await work_before(processes, desk)
    async with backups.copied(postgres, backup.dsn) as dsn:
        lost = Scene(dsn, backup.kafka, tmp_path / "lost")
        async with lost.open() as (processes, desk):
            await work_since(processes, desk, before)
        expected = await lost.rows()

        await interrupted(backup)
        said = await restore(backup, monkeypatch)
        assert "not recovered: in no topic: API tokens" in said
        async with backup.open() as (processes, desk):
            await backup.idle(processes)
            assert backups.differences(await backup.rows(), expected) == []
            events = await processes.events()
            # And it goes on: versions and numbers without holes or repetitions.
            await processes.send(place_message(DIALOG, "still there?", at=later(4000)))

            async def added() -> bool:
                return await processes.count("messages") == len(expected["messages"]) + 1

            await processes.until(added)
            await processes.relayed()
            after = await processes.events()
        assert all(versions == list(range(1, len(versions) + 1)) for versions in after.values())
        assert sum(map(len, after.values())) == sum(map(len, events.values())) + 1


async def test_what_an_agent_wrote_on_the_old_database_gives_way_to_the_log_and_is_listed(
    backup: Scene, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy goes on, so the mark of the database that is set back is good: as if a person had let it go on."""
    async with backup.open() as (processes, _):
        await processes.send(place_message(DIALOG, "first"))
        await backup.idle(processes)
    async with backups.copied(postgres, backup.dsn) as dsn:
        lost = Scene(dsn, backup.kafka, tmp_path / "lost")
        async with lost.open() as (processes, _):
            await processes.send(place_message(DIALOG, "second", at=later(60)))
            await processes.send(place_message(DIALOG, "third", at=later(61)))
            await lost.idle(processes)
    async with api_alone(backup.dsn) as client:
        (ticket,) = (await client.get("/v1/tickets")).json()["items"]
        noted = await client.post(f"/v1/tickets/{ticket['id']}/notes", json={"text": "on the old database"})
        assert noted.is_success
        path = f"/v1/tickets/{ticket['id']}"
        for revision, tags in enumerate((["a"], ["a", "b"], ["c"])):  # further than the log goes
            changed = await client.patch(path, json={"tags": tags}, headers={"If-Match": f'"{revision}"'})
            assert changed.status_code == 200, changed.text
    said = await restore(backup, monkeypatch)
    assert "4 changes that were written to this database after it was set back" in said
    first, *more = [line for line in said.splitlines() if f"not recovered: ticket {ticket['number']} version" in line]
    assert "version 2: note_added by agent at 20" in first
    assert "is dropped; the log's is kept: message_added by " in first
    assert [line.partition(" version ")[2].partition(" at ")[0] for line in more] == [
        f"{version}: updated by agent" for version in (3, 4, 5)
    ]
    assert "is dropped" not in await restore(backup, monkeypatch)
    async with backup.open() as (processes, desk):
        await backup.idle(processes)
        rows = await processes.database.pool.fetch("SELECT text FROM messages ORDER BY sent_at, id")
        assert (await desk.ticket(ticket["id"]))["tags"] == []
        assert [one["version"] for one in await desk.history(ticket["id"])] == [1, 2, 3]
        await processes.send(place_message(DIALOG, "fourth", at=later(62)))
        await backup.idle(processes)
        events = [one for one in await processes.models("ticket.events.v1") if isinstance(one, TicketChanged)]
    assert sorted(row["text"] for row in rows) == ["first", "on the old database", "second", "third"]
    assert [(one.version, one.cause.kind) for one in events] == [(n, "command") for n in (1, 2, 3, 4)]


async def test_a_number_of_the_log_stays_its_tickets_whatever_the_old_database_gave_out(
    backup: Scene, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker was let go on: it opened the same tickets in another order, and one that the log never saw."""
    first, second, third, late = (place_message(place, f"{n}", at=later(n)) for n, place in enumerate(THREADS[:4]))
    async with backup.open() as (processes, _):
        await processes.send(first)
        await backup.idle(processes)
    async with backups.copied(postgres, backup.dsn) as dsn:
        lost = Scene(dsn, backup.kafka, tmp_path / "lost")
        async with lost.open() as (processes, desk):
            await processes.send(second, third, place_message(THREADS[4], "4", at=later(4)))
            await processes.send(place_message(THREADS[1], "more", at=later(60)))
            await lost.idle(processes)
            numbers = {one["subject"]: one["number"] for one in await desk.tickets()}
    database = await Database.connect(backup.dsn, schema=SCHEMA, process="test")
    async with api_alone(backup.dsn) as client:
        desk = Desk(database, ManualClock(NOW), client)
        await desk.apply(third, second, late)
        given = {"1": numbers["2"], "2": numbers["1"], "3": numbers["4"]}
        for sign in (-1, 1):
            for subject, number in given.items():
                await database.pool.execute("UPDATE tickets SET number = $2 WHERE subject = $1", subject, sign * number)
        moved = (await desk.tickets())[0]
    await database.close()
    said = await restore(backup, monkeypatch)
    assert "2 numbers of tickets that this database gave out after it was set back" in said
    assert moved["subject"] == "3"
    assert f"not recovered: {moved['number']} is now {max(numbers.values()) + 1} ({moved['id']})" in said
    assert "is now" not in await restore(backup, monkeypatch)
    async with backup.open() as (processes, desk):
        await processes.send(place_message(THREADS[5], "5", at=later(70)))
        await backup.idle(processes)
        found = {one["subject"]: one["number"] for one in await desk.tickets()}
    highest = max(numbers.values())
    assert {subject: found[subject] for subject in numbers} == numbers
    assert (found["3"], found["5"] > found["3"]) == (highest + 1, True)


def at_night(hour: int) -> datetime:
    return NOW + timedelta(hours=hour)


@pytest.mark.parametrize(
    ("stored", "logged", "kept"),
    [
        ([1, 2], [None, None], [1, 2]),
        ([2, 2], [(1, 0), (2, 0)], [1, 2]),
        ([2, 1], [(1, 0), (2, 0)], [1, 2]),
        ([2, 1], [(1, 0), None], [1, 3]),
        ([2, 2], [(2, 1), (2, 0)], [3, 2]),
        ([2, 2], [None, (2, 9)], [3, 2]),
        ([2, 2], [None, None], [2, 3]),
        ([3, 3, 2], [(2, 0), (3, 0), (2, 5)], [2, 3, 4]),
        ([2, 2], [(2, 0), (7, 0)], [2, 7]),
        ([2, 2, 7], [(2, 0), (7, 5), (7, 0)], [2, 8, 7]),
        ([2, 2, 2], [None, (2, 3), None], [4, 2, 5]),
    ],
)
async def test_a_number_stays_with_the_ticket_of_which_the_log_had_it_first(
    desk: Desk, stored: list[int], logged: list[tuple[int, int] | None], kept: list[int]
) -> None:
    opened = [place_message(place, f"{n}", at=later(n)) for n, place in enumerate(THREADS[: len(stored)])]
    for one in opened:
        await desk.apply(one)
    by_subject = {one["subject"]: one["id"] for one in await desk.tickets()}
    ids = [by_subject[f"{n}"] for n in range(len(stored))]
    said = {ticket: Logged(told[0], at_night(told[1])) for ticket, told in zip(ids, logged, strict=True) if told}
    async with desk.database.transaction() as connection:
        await free_numbers(connection)
        for n, (ticket, number) in enumerate(zip(ids, stored, strict=True)):
            values = (ticket, number, at_night(n))
            await connection.execute("UPDATE tickets SET number = $2, created_at = $3 WHERE id = $1", *values)
        moved = await keep_numbers(connection, said)
    found = {one["id"]: one["number"] for one in await desk.tickets()}
    assert [found[ticket] for ticket in ids] == kept
    changed = {ticket: (old, new) for ticket, old, new in zip(ids, stored, kept, strict=True) if old != new}
    assert moved == changed
    await desk.apply(place_message(DIALOG, "next", at=later(99)))
    assert max(one["number"] for one in await desk.tickets()) > max(kept)


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.text = 'broken') EXECUTE FUNCTION refuse()"""


async def test_what_was_put_aside_since_and_discarded_is_not_applied(
    backup: Scene, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backup.open() as (processes, _):
        await processes.send(place_message(THREADS[0], "before"))
        await backup.idle(processes)
    async with backups.copied(postgres, backup.dsn) as dsn:
        lost = Scene(dsn, backup.kafka, tmp_path / "lost")
        async with lost.open() as (processes, desk):
            await desk.database.pool.execute(REFUSE)
            await processes.send(
                place_message(THREADS[1], "broken", at=later(1)), place_message(THREADS[2], "goes on", at=later(2))
            )

            async def put_aside() -> bool:
                return await processes.count("dead_letters") == 1 and await processes.count("messages") == 2

            await processes.until(put_aside)
            (letter,) = await desk.all("/dead-letters")
            gone = await desk.http.post(f"/v1/dead-letters/{letter['id']}/discard", json={"reason": "no message"})
            assert gone.is_success, gone.text
        await restore(backup, monkeypatch)
    async with backup.open() as (processes, desk):
        await processes.send(place_message(THREADS[2], "still there?", at=later(3)))
        await backup.idle(processes)
        rows = await processes.database.pool.fetch("SELECT text FROM messages ORDER BY sent_at")
        assert [row["text"] for row in rows] == ["before", "goes on", "still there?"]
        assert len(await desk.tickets()) == 2


async def test_a_policy_and_a_desk_of_the_old_database_give_way_to_the_log_and_are_listed(
    backup: Scene, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def renamed(client: httpx.AsyncClient, agent: str, **fields: str) -> None:
        assert (await client.patch(f"/v1/agents/{agent}", json=fields)).status_code == 200

    async def ruled(client: httpx.AsyncClient, queue: str) -> None:
        assert (await client.put("/v1/policy", json={"defaults": {"queue": queue}})).status_code == 200

    async with backup.open() as (_, desk):
        vera = (await desk.agent("Vera", "slack:U9"))["id"]
        await desk.agent("René", "slack:U8")
        await ruled(desk.http, "first")
    async with (
        backups.copied(postgres, backup.dsn) as dsn,
        Scene(dsn, backup.kafka, tmp_path / "lost").open() as (_, desk),
    ):
        await renamed(desk.http, vera, name="Vera Later")
        await ruled(desk.http, "of the log")
    async with api_alone(backup.dsn) as client:
        for name in ("Wera", "Vera Later"):  # the last one is named as in the log, but further on
            await renamed(client, vera, name=name)
        for queue in ("second", "third"):
            await ruled(client, queue)
    said = await restore(backup, monkeypatch)
    lines = [line.partition("not recovered: ")[2] for line in said.splitlines() if "is dropped" in line]
    assert "3 changes of the desk or the policy that were written to this database after it was set back" in said
    staff, second, third = sorted(lines, key=lambda line: not line.startswith("slack:"))
    assert staff.startswith(f"slack:U9 version 3: Vera Later ({vera}), changed at 2026-")
    assert staff.endswith(f"is dropped; the log's is kept: Vera Later ({vera})")
    assert second.startswith("policy version 2: by agent at 2026-")
    assert second.endswith("is dropped; the log's is kept: by tests")
    assert third.startswith("policy version 3: by agent at 2026-")
    assert "is dropped" not in await restore(backup, monkeypatch)
    async with backup.open() as (processes, desk):
        assert (await desk.get("/policy"))["document"]["defaults"]["queue"] == "of the log"
        assert sorted(one["name"] for one in (await desk.get("/agents"))["items"]) == ["René", "Vera Later"]
        await renamed(desk.http, vera, name="Vera At Last")
        await ruled(desk.http, "last")
        await processes.relayed()
        rules = [one for one in await processes.models("desk.policy.v1") if isinstance(one, PolicyPublished)]
        people = [one for one in await processes.models("desk.staff.v1") if isinstance(one, StaffIdentity)]
    assert [(one.version, one.document.defaults.queue) for one in rules] == [
        (1, "first"),
        (2, "of the log"),
        (3, "last"),
    ]
    assert [(one.version, one.name) for one in people if one.agent_id == vera] == [
        (1, "Vera"),
        (2, "Vera Later"),
        (3, "Vera At Last"),
    ]


async def test_an_agent_who_was_changed_once_on_the_old_database_is_as_the_log_says(
    backup: Scene, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published too, as where a person has let a worker go on: nothing waits, the tables alone show it."""
    async with backup.open() as (_, desk):
        vera = (await desk.agent("Vera", "slack:U9"))["id"]
    async with (
        backups.copied(postgres, backup.dsn) as dsn,
        Scene(dsn, backup.kafka, tmp_path / "lost").open() as (_, desk),
    ):
        await desk.http.patch(f"/v1/agents/{vera}", json={"role": "lead"})
    async with api_alone(backup.dsn) as client:
        assert (await client.patch(f"/v1/agents/{vera}", json={"identities": []})).status_code == 200
    connection = await asyncpg.connect(backup.dsn)
    await connection.execute("DELETE FROM ticketing.outbox")
    await connection.close()
    said = await restore(backup, monkeypatch)
    assert f"slack:U9 version 2: Vera ({vera})" in said
    async with api_alone(backup.dsn) as client:
        agent = (await client.get(f"/v1/agents/{vera}")).json()
    assert (agent["role"], agent["identities"]) == ("lead", ["slack:U9"])
    assert "is dropped" not in await restore(backup, monkeypatch)


async def test_nothing_is_restored_while_a_process_runs(backup: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "LEAVE_SECONDS", 0.0)
    monkeypatch.setenv("DATABASE_URL", backup.dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", backup.kafka.bootstrap_servers)
    async with backup.open() as (processes, _):
        await processes.send(place_message(DIALOG))
        await backup.idle(processes)
        said = await asyncio.to_thread(CliRunner().invoke, okno, ["restore", "--service", "ticketing"])
    assert said.exit_code == 1
    assert "Stop Okno's processes first." in said.output
    assert "ticketing-worker-0 (group ticketing)" in said.output
    assert "ticketing-worker-0 (connected to PostgreSQL)" in said.output
