"""Who stands in another's way: a race heals and costs no record, what conflicts for good is put aside alone."""

import asyncio

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from chassis.batches import Batches, Outcome
from chassis.clock import ManualClock
from chassis.database import Database
from chassis.dead_letter_share import Limit
from chassis.dead_letters import parse
from chassis.handling import Handling
from chassis.outbox import unpack_headers
from chassis.records import is_compacted
from contracts.codec import decode, encode
from contracts.ticket_commands_v1 import PlaceMessage
from contracts.topics import dead_topic
from services.ticketing.store.saving import Conflict
from services.ticketing.worker import CONSUMER, Applier
from tests.integration.ticketing.desk import NOW, Desk, later, place_message, problem, slack_place
from tests.integration.ticketing.processes import Processes

COMMANDS = TopicPartition("ticket.commands.v1", 0)
_POSITION = """
INSERT INTO positions (consumer, topic, partition, next_offset, cluster_id) VALUES ($1, $2, $3, 0, 'any')
ON CONFLICT DO NOTHING"""


def said(thread: str, text: str, seconds: float = 0) -> PlaceMessage:
    """A customer's message; each thread is a place, all are of one channel and so of one partition."""
    return place_message(slack_place(thread=thread), text, at=later(seconds))


class Worker:
    """How a worker handles the first records of a partition: one attempt after another."""

    def __init__(self, database: Database, clock: ManualClock, *commands: PlaceMessage) -> None:
        self._database = database
        self._polled = {COMMANDS: [_raw(offset, command) for offset, command in enumerate(commands)]}
        batches = Batches(
            consumer=CONSUMER,
            process="ticketing-worker-0",
            database=database,
            handle=Applier(clock),
            decode=decode,
            compacted=is_compacted,
            clock=clock,
            limit=Limit(),
            dead_letter_lane=lambda _topic, _partition: 0,
            fault_prefix=CONSUMER,
        )
        batches.attempts.assigned([COMMANDS])
        self._handling = Handling(batches)

    async def attempt(self) -> Outcome:
        await self._database.pool.execute(_POSITION, CONSUMER, *COMMANDS)
        (outcome,) = [one async for one in self._handling.outcomes(self._polled, {COMMANDS: 0})]
        return outcome


def _raw(offset: int, command: PlaceMessage) -> "ConsumerRecord[bytes, bytes]":
    encoded = encode(command, source="test", time=NOW)
    return ConsumerRecord(*COMMANDS, offset, 1, 0, encoded.key, encoded.value, None, 0, 0, tuple(encoded.headers))


async def test_races_one_after_another_cost_no_record(desk: Desk) -> None:
    mine = [said(thread, "mine", seconds) for seconds, thread in enumerate(("1.1", "2.2", "3.3"))]
    theirs = [said(thread, "theirs", 60 + seconds) for seconds, thread in enumerate(("1.1", "2.2", "3.3"))]
    worker = Worker(desk.database, desk.clock, *mine)

    async def lose(to: PlaceMessage) -> Outcome:
        """Another worker opens a ticket in a place between this one's look and its write."""
        async with desk.in_hand(to):
            attempt = asyncio.create_task(worker.attempt())
            await desk.waits(attempt)
        return await attempt

    for one in theirs[:2]:
        with pytest.raises(Conflict):
            await lose(one)
    third = await lose(theirs[2])  # which looks for a culprit, a record at a time

    assert (third.handled, third.dead) == (3, 0)
    tickets = await desk.tickets()
    assert len(tickets) == 3
    for ticket in tickets:
        assert [one["text"] for one in await desk.messages(ticket["id"])] == ["mine", "theirs"]


async def test_a_row_that_no_rule_sees_costs_only_the_record_that_it_stops(desk: Desk) -> None:
    ticket = await desk.opened(slack_place(thread="1.1"))
    await desk.database.pool.execute(
        "INSERT INTO history SELECT (jsonb_populate_record(h, '{\"version\": 2}')).* FROM history h"
    )
    worker = Worker(
        desk.database, desk.clock, said("2.2", "before", 1), said("1.1", "more", 2), said("3.3", "after", 3)
    )
    for _ in range(2):
        with pytest.raises(Conflict):
            await worker.attempt()
    third = await worker.attempt()

    assert (third.handled, third.dead, dict(third.positions)) == (2, 1, {COMMANDS: 3})
    assert len(await desk.tickets()) == 3
    assert (await desk.ticket(ticket["id"]))["version"] == 1
    (row,) = await desk.database.pool.fetch("SELECT * FROM outbox WHERE topic = $1", dead_topic(COMMANDS.topic))
    letter = parse(row["topic"], 0, 0, row["key"], row["payload"], unpack_headers(row["headers"]))
    assert (letter.origin_offset, letter.cause, letter.attempts) == (1, "conflict", 3)


async def test_a_command_that_conflicts_for_good_stops_no_partition(processes: Processes, desk: Desk) -> None:
    first, culprit, second, third = (
        said(thread, thread, seconds) for seconds, thread in enumerate(("1.1", "9.9", "2.2", "3.3"))
    )
    assert first.open is not None
    assert culprit.open is not None
    taken = culprit.open.model_copy(update={"ticket_id": first.open.ticket_id})
    await processes.send(first, culprit.model_copy(update={"open": taken}), second)
    worker = await processes.start("ticketing-worker")

    async def put_aside() -> bool:
        return await processes.count("dead_letters") == 1 and await processes.count("messages") == 2

    await processes.until(put_aside)
    await processes.send(third)

    async def goes_on() -> bool:
        return await processes.count("messages") == 3

    await processes.until(goes_on)
    assert worker.returncode is None
    (letter,) = await desk.all("/dead-letters")
    assert (letter["topic"], letter["cause"], letter["attempts"]) == (COMMANDS.topic, "conflict", 3)
    places = [ticket["conversations"][0]["thread"] for ticket in await desk.tickets(sort="number")]
    assert places == ["1.1", "2.2", "3.3"]


async def test_who_reopens_a_ticket_while_another_one_is_opened_is_told(desk: Desk) -> None:
    place = slack_place()
    oldest = (await desk.patch(await desk.opened(place), status="closed")).json()
    await desk.apply(place_message(place, "again", at=later(10), reopen_within=1))
    await desk.patch((await desk.tickets())[0], status="closed")
    async with desk.in_hand(place_message(place, "and again", at=later(20), reopen_within=1)):
        reopening = asyncio.create_task(desk.patch(oldest, status="open"))
        await desk.waits(reopening)
    assert problem(await reopening, 409, "place-taken")["active_ticket"] == 3


async def test_a_request_that_conflicts_for_good_is_refused_and_leaves_its_key_free(desk: Desk) -> None:
    ticket = await desk.opened()
    await desk.database.pool.execute(
        "INSERT INTO history SELECT (jsonb_populate_record(h, '{\"version\": 2}')).* FROM history h"
    )
    path, headers = f"/v1/tickets/{ticket['id']}/notes", {"Idempotency-Key": "once"}
    problem(await desk.http.post(path, json={"text": "Hm"}, headers=headers), 409, "conflict")
    problem(await desk.patch(ticket, priority="high"), 409, "conflict")
    assert await desk.ticket(ticket["id"]) == ticket

    await desk.database.pool.execute("DELETE FROM history WHERE version = 2")
    assert (await desk.http.post(path, json={"text": "Hm"}, headers=headers)).status_code == 201
