"""Dead letters that the table had no room for are read from their topics again, with the command line."""

import asyncio

import pytest
from typer.testing import CliRunner

from chassis import parking
from chassis.clock import ManualClock
from chassis.database import Database
from chassis.kafka import make_producer
from chassis.settings import KafkaSettings
from cli.commands import app
from sandbox.stack.kafka.server import EmbeddedKafka
from services.ticketing.store.dead_letters import Room
from tests.integration.ticketing.desk import Desk
from tests.integration.ticketing.test_dead_letters import dead_record, offsets, post, project


async def okno(*arguments: str) -> str:
    """In a thread: commands have an event loop of their own."""
    said = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert said.exit_code == 0, said.output
    return said.output


async def test_what_found_no_room_is_stored_later_and_what_was_settled_stays_so(
    desk: Desk,
    clock: ManualClock,
    kafka: EmbeddedKafka,
    registry_topics: None,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    records = [dead_record(b"%d" % offset * 600_000, offset=offset) for offset in range(3)]
    producer = make_producer(KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers))
    await producer.start()
    for record in records:
        await producer.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))
    await producer.stop()
    await project(desk, clock, *records, room=Room(letters=1))
    await post(desk, "/discard", reason="a test")

    assert "no room for 2" in await okno("dead-letters", "reload", "--max-megabytes", "1")
    assert "3 dead letters are on their topics; there was no room for 1." in await okno(
        "dead-letters", "reload", "--max", "2"
    )
    assert "no room for 0" in await okno("dead-letters", "reload")
    assert (await offsets(desk, state="discarded"), await offsets(desk, state="waiting")) == ([0], [1, 2])


async def test_a_parked_key_is_released_by_hand(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for offset, key in ((1, b"a"), (2, b"a"), (3, b"b")):
        await database.pool.execute(
            "INSERT INTO parked_records VALUES ('ticketing', 'ticket.commands.v1', 0, $1, $2, $1)", offset, key
        )
    assert "2 dead letters" in await okno("dead-letters", "release", "ticketing", "ticketing", "a")
    assert "0 dead letters" in await okno("dead-letters", "release", "ticketing", "another")
    async with database.transaction() as connection:
        assert await parking.forget(connection, "ticketing") == 1
