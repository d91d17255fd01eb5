"""A database set back is noticed by what it published, where no position shows it: changes through the API."""

from __future__ import annotations

import pytest

from chassis import outbox, positions, published
from chassis.database import Database
from chassis.kafka import cluster_id
from chassis.outbox import OutboxRow
from chassis.positions import PositionsRefused
from chassis.published import PUBLISHED, PublishedAhead
from chassis.settings import KafkaSettings
from sandbox.stack.kafka.server import EmbeddedKafka
from services.ticketing.bootstrap import QUESTIONS
from tests.integration.ticketing.desk import Desk, telegram_place
from tests.integration.ticketing.processes import Processes

EVENTS, STAFF, POLICY = "ticket.events.v1", "desk.staff.v1", "desk.policy.v1"
SET_BACK = "UPDATE tickets SET version = version - 1"


@pytest.fixture
def settings(kafka: EmbeddedKafka) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)


async def worked(processes: Processes, desk: Desk, tickets: int = 1) -> None:
    """Tickets with an agent's reply each, all of it published, and the worker gone."""
    for number in range(tickets):
        ticket = await desk.opened(telegram_place(number + 1))
        await desk.reply(ticket["id"])
    worker = await processes.start("ticketing-worker")
    await processes.relayed()
    worker.terminate()
    assert await worker.wait() == 0


async def test_a_worker_on_a_database_set_back_refuses_to_start_and_publishes_nothing(
    processes: Processes, desk: Desk
) -> None:
    await worked(processes, desk)
    await processes.database.pool.execute(SET_BACK)
    async with processes.database.transaction() as connection:
        await outbox.add(connection, [OutboxRow(EVENTS, b"key", b"of the earlier copy")])
    worker = await processes.start("ticketing-worker")
    assert await worker.wait() == 1
    said = (processes.folder / "ticketing-worker-1.log").read_text()
    assert "were published by a database that isn't this one" in said
    assert "okno positions accept ticketing published ticket.events.v1 " in said
    assert await processes.count("outbox") == 1


async def test_tables_that_are_ahead_of_the_log_are_as_they_should_be(
    processes: Processes, desk: Desk, database: Database, settings: KafkaSettings
) -> None:
    await published.check(database, settings, QUESTIONS)
    await worked(processes, desk, tickets=30)
    await database.pool.execute("UPDATE tickets SET version = version + 1")
    await published.check(database, settings, QUESTIONS)


async def test_what_a_person_accepted_is_not_asked_about_again(
    processes: Processes, desk: Desk, database: Database, settings: KafkaSettings
) -> None:
    await worked(processes, desk)
    await database.pool.execute(SET_BACK)
    with pytest.raises(PublishedAhead) as refused:
        await published.check(database, settings, QUESTIONS)
    async with database.transaction() as connection:
        await positions.accept(
            connection,
            PUBLISHED,
            refused.value.partition,
            next_offset=refused.value.accept,
            cluster_id=await cluster_id(settings),
            group_offset=None,
        )
    await published.check(database, settings, QUESTIONS)


async def test_all_partitions_that_are_ahead_are_told_at_once(
    processes: Processes, desk: Desk, database: Database, settings: KafkaSettings
) -> None:
    await worked(processes, desk, tickets=30)
    await database.pool.execute("DELETE FROM tickets")
    with pytest.raises(PositionsRefused) as refused:
        await published.check(database, settings, QUESTIONS)
    assert len({one.partition for one in refused.value.refused}) > 1
    assert all(isinstance(one, PublishedAhead) for one in refused.value.refused)


async def test_a_copy_of_an_older_event_at_the_logs_end_hides_nothing(
    processes: Processes, desk: Desk, database: Database, settings: KafkaSettings
) -> None:
    await worked(processes, desk)
    (event, *_) = await processes.models(EVENTS)
    await processes.send(event)
    await database.pool.execute(SET_BACK)
    with pytest.raises(PublishedAhead):
        await published.check(database, settings, QUESTIONS)


async def test_what_is_no_event_is_nobodys_word(
    processes: Processes, desk: Desk, database: Database, settings: KafkaSettings
) -> None:
    await worked(processes, desk)
    await processes.write_raw(EVENTS, b"not JSON")
    await published.check(database, settings, QUESTIONS)


@pytest.mark.parametrize(
    ("topic", "set_back"),
    [
        (POLICY, "DELETE FROM policies WHERE version = 2"),
        (POLICY, "DELETE FROM policies"),
        (STAFF, "UPDATE agent_identities SET version = 1"),
        (STAFF, "DELETE FROM agent_identities"),
    ],
)
async def test_a_policy_or_a_desk_of_before_is_noticed_though_no_ticket_changed_since(
    processes: Processes, desk: Desk, database: Database, settings: KafkaSettings, topic: str, set_back: str
) -> None:
    agent = await desk.agent("Vera", "slack:U9")
    assert (await desk.http.patch(f"/v1/agents/{agent['id']}", json={"role": "lead"})).status_code == 200
    for queue in ("first", "second"):
        assert (await desk.http.put("/v1/policy", json={"defaults": {"queue": queue}})).status_code == 200
    await worked(processes, desk)
    await published.check(database, settings, QUESTIONS)
    await database.pool.execute(set_back)
    with pytest.raises(PublishedAhead) as refused:
        await published.check(database, settings, QUESTIONS)
    assert refused.value.partition.topic == topic
