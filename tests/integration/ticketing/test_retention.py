"""What ticketing forgets in time, what it keeps, and that a late duplicate changes nothing after it."""

from datetime import timedelta

from chassis.clock import ManualClock
from chassis.pruning import REPEATABLE_DAYS, Pruner
from chassis.settings import read
from contracts.ticket_commands_v1 import ReviseMessage
from services.ticketing import retention
from services.ticketing.settings import TicketingWorkerSettings
from tests.integration.ticketing.desk import NOW, Desk, common, key_at, later, place_message, slack_place
from tests.integration.ticketing.test_chat_changes import revise

ENVIRONMENT = {"DATABASE_URL": "postgresql://x@y/z", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}


async def prune(desk: Desk, days: float, **environment: str) -> dict[str, int]:
    """A turn of the pruner so many days after NOW."""
    rules = retention.rules(read(TicketingWorkerSettings, {**ENVIRONMENT, **environment}))
    removed = await Pruner(desk.database, rules, clock=ManualClock(NOW + timedelta(days=days))).prune()
    return {name: number for name, number in removed.items() if number}


async def test_ids_of_commands_go_with_their_age(desk: Desk) -> None:
    await desk.apply(place_message(slack_place()))
    assert await prune(desk, 39.9) == {}
    assert await prune(desk, 40.1) == {"commands": 1}


async def test_a_late_duplicate_changes_nothing_before_and_after_its_id_is_forgotten(desk: Desk) -> None:
    first, second = place_message(slack_place(), "one"), place_message(slack_place(), "two", at=later(1))
    await desk.apply(first, second)
    (ticket,) = await desk.tickets()

    assert await prune(desk, REPEATABLE_DAYS) == {}
    await desk.apply(first)
    assert await prune(desk, 1000) == {"commands": 2}
    await desk.apply(second, first)

    assert await desk.tickets() == [ticket]
    assert [one["text"] for one in await desk.messages(ticket["id"])] == ["one", "two"]


async def test_a_change_of_a_message_that_never_comes_is_forgotten(desk: Desk) -> None:
    await desk.apply(revise(key_at(slack_place(), later(5)), "who?"))
    await desk.database.pool.execute("UPDATE early_changes SET arrived_at = $1", NOW)
    assert "early_changes" not in await prune(desk, 39)
    assert (await prune(desk, 41))["early_changes"] == 1


async def test_answers_of_the_api_are_kept_for_a_week(desk: Desk) -> None:
    ticket = await desk.opened()
    path, headers = f"/v1/tickets/{ticket['id']}/replies", {"Idempotency-Key": "one"}
    first = await desk.http.post(path, json={"text": "yes"}, headers=headers)
    assert "idempotency_keys" not in await prune(desk, 6.9)
    again = await desk.http.post(path, json={"text": "yes"}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert (await prune(desk, 7.1))["idempotency_keys"] == 1


async def test_former_texts_go_a_message_at_a_time_and_later_ones_are_filed_after_it(desk: Desk) -> None:
    command = place_message(slack_place(), "zero")
    key = command.message.message_key

    def edit(text: str, day: float) -> ReviseMessage:
        channel = command.channel_key
        return ReviseMessage(
            **common(f"edit {text}", channel), message_key=key, text=text, edited_at=later(day * 86400)
        )

    await desk.apply(command, edit("one", 1), edit("two", 300))
    (ticket,) = await desk.tickets()
    assert "revisions" not in await prune(desk, 400), "the latest edit is young"
    (message,) = await desk.messages(ticket["id"])
    assert [one["text"] for one in message["revisions"]] == ["zero", "one"]

    assert (await prune(desk, 700))["revisions"] == 2
    (message,) = await desk.messages(ticket["id"])
    assert (message["text"], message["revisions"]) == ("two", [])

    await desk.apply(edit("three", 701))
    (message,) = await desk.messages(ticket["id"])
    assert [one["text"] for one in message["revisions"]] == ["two"]


async def test_positions_go_only_when_nobody_reads_their_topic(desk: Desk) -> None:
    for consumer, topic in (("ticketing", "ticket.commands.v1"), ("ticketing", "ticket.commands.v0"), ("old", "x")):
        await desk.database.pool.execute(
            "INSERT INTO positions VALUES ($1, $2, 0, 5, 'cluster', NULL, $3)", consumer, topic, NOW
        )
    assert await prune(desk, REPEATABLE_DAYS - 1) == {}
    assert await prune(desk, 1000) == {"positions": 2}
    assert await desk.database.pool.fetchval("SELECT topic FROM positions") == "ticket.commands.v1"
