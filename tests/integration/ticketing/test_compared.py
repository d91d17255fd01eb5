"""The API writes only to a database that a worker has compared with the log, and a backup is never that one."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis import compared
from chassis.database import Database
from sandbox.stack.postgres.server import EmbeddedPostgres
from services.ticketing.worker import CONSUMER, DEAD_CONSUMER
from tests import backups
from tests.integration.ticketing.desk import Desk, later, place_message, slack_place
from tests.integration.ticketing.processes import Processes
from tests.integration.ticketing.test_restore import Scene, api_alone, backup, restore

__all__ = ["backup"]

WORKER = "ticketing-worker"
PLACE = slack_place()


async def known(database: Database) -> bool:
    async with database.pool.acquire() as connection:
        return await compared.is_compared(connection)


async def test_the_api_alone_writes_nothing_to_a_database_set_back_before_it_is_restored(
    backup: Scene, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backup.open() as (processes, _):
        await processes.send(place_message(PLACE, "first"))
    async with backups.copied(postgres, backup.dsn) as dsn:
        async with backup.open() as (processes, desk):
            await processes.send(place_message(PLACE, "second", at=later(60)))
            await backup.idle(processes)
            (ticket,) = await desk.tickets()
        notes, note = f"/v1/tickets/{ticket['id']}/notes", {"text": "after the restore"}
        async with api_alone(dsn) as client:
            for method, path, body in (
                ("POST", notes, note),
                ("POST", "/v1/tickets/none/notes", note),
                ("PATCH", f"/v1/tickets/{ticket['id']}", {"priority": "high"}),
                ("POST", "/v1/agents", {"name": "Vera"}),
            ):
                refused = await client.request(method, path, json=body, headers={"If-Match": '"0"'})
                assert refused.status_code == 503, refused.text
                assert refused.json()["type"] == "urn:okno:problem:database-not-compared"
                for named in ("okno restore", "Kafka", "a ticketing-worker of this version"):
                    assert named in refused.json()["detail"]
            assert len((await client.get("/v1/tickets")).json()["items"]) == 1
        earlier = Scene(dsn, backup.kafka, tmp_path / "earlier")
        await restore(earlier, monkeypatch)
        async with api_alone(dsn) as client:
            assert (await client.post("/v1/tickets/none/notes", json=note)).status_code == 404
            assert (await client.post(notes, json=note)).status_code == 201
        async with earlier.open() as (processes, desk):
            await earlier.idle(processes)
            versions = await processes.events()
            texts = [one["text"] for one in await desk.messages(ticket["id"])]
    assert versions == {ticket["id"]: [1, 2, 3]}
    assert sorted(texts) == ["after the restore", "first", "second"]


async def test_a_dump_that_was_read_back_is_another_database(database: Database, desk: Desk) -> None:
    del desk  # marks it
    await database.pool.execute("VACUUM (FULL, FREEZE) compared_database")
    assert await known(database)
    async with database.transaction() as connection:
        await connection.execute("CREATE TEMPORARY TABLE dumped ON COMMIT DROP AS TABLE compared_database")
        await connection.execute("DELETE FROM compared_database")
        await connection.execute("INSERT INTO compared_database TABLE dumped")
    assert not await known(database)


async def test_a_server_that_was_started_again_is_compared_again(
    processes: Processes, desk: Desk, database: Database, postgres: EmbeddedPostgres
) -> None:
    del desk
    await postgres.restart()

    async def answers() -> bool:
        return await database.reachable()

    await processes.until(answers)
    assert not await known(database)
    await processes.start(WORKER)
    await processes.compared()
    await processes.send(place_message(PLACE))

    async def at_work() -> bool:
        return await processes.count("messages") == 1

    await processes.until(at_work)
    await postgres.restart()
    await processes.until(answers)
    await processes.compared()


async def test_a_worker_that_runs_notices_that_its_database_was_set_back(processes: Processes, desk: Desk) -> None:
    await desk.opened(PLACE)
    worker = await processes.start(WORKER)
    await processes.relayed()
    async with processes.database.transaction() as connection:
        await connection.execute("UPDATE tickets SET version = version - 1")
        await connection.execute("UPDATE compared_database SET server_started_at = server_started_at - interval '1 s'")
    assert await worker.wait() == 1
    said = (processes.folder / f"{WORKER}-0.log").read_text()
    assert "okno positions accept ticketing published ticket.events.v1 " in said


async def test_workers_write_nothing_to_a_database_set_back_that_they_did_not_compare_yet(
    processes: Processes, desk: Desk
) -> None:
    """The command that waits would take the version that the log has for the note, and so hide that it is lost."""
    ticket = await desk.opened(PLACE)
    noted = await desk.http.post(f"/v1/tickets/{ticket['id']}/notes", json={"text": "lost"})
    assert noted.status_code == 201
    go, names = processes.folder / "go", [f"{WORKER}-{number}" for number in range(2)]
    faults = f"ticketing.compares=hold:{go}"
    workers = [
        await processes.start(WORKER, name=one, faults=faults, FAULT_DIRECTORY=str(processes.folder / one))
        for one in names
    ]
    logs = [processes.folder / f"{one}.log" for one in names]

    async def at_work_and_about_to_compare() -> bool:
        held = all((processes.folder / one / "ticketing.compares.reached").exists() for one in names)
        assigned = all(
            any(f'"consumer":"{consumer}"' in line and '"assigned"' in line for line in log.read_text().splitlines())
            for log in logs
            for consumer in (CONSUMER, DEAD_CONSUMER)
        )
        return held and assigned

    await processes.relayed()
    await processes.until(at_work_and_about_to_compare)
    async with processes.database.transaction() as connection:
        await connection.execute("DELETE FROM history WHERE version = 2")
        await connection.execute("DELETE FROM messages WHERE kind = 'note'")
        await connection.execute("UPDATE tickets SET version = 1")
        await connection.execute("UPDATE compared_database SET server_started_at = server_started_at - interval '1 s'")
    await processes.database.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = ANY($1::text[])",
        names,
    )
    await processes.send(place_message(PLACE, "waits", at=later(60)))

    async def customers_message() -> bool:
        return await processes.count("messages") > 1

    async def tried() -> bool:
        lines = [line for log in logs for line in log.read_text().splitlines()]
        refused = any("batch_failed" in line and "wasn't compared" in line for line in lines)
        return refused or await customers_message()

    await processes.until(tried)
    assert not await customers_message()
    go.touch()
    assert [await worker.wait() for worker in workers] == [1, 1]
    assert all("were published by a database that isn't this one" in log.read_text() for log in logs)
    assert not await customers_message()
    assert await processes.count("outbox") == 0
