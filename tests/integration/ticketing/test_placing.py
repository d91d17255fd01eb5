"""Where messages land."""

from tests.integration.ticketing.desk import (
    HOURS_72,
    NOW,
    TRACEPARENT,
    Desk,
    later,
    place_message,
    slack_place,
    telegram_author,
    telegram_place,
)


async def test_a_customers_message_opens_a_ticket(desk: Desk) -> None:
    ticket = await desk.opened(text="  I can't   log in\nsince yesterday")

    assert (ticket["number"], ticket["status"], ticket["version"], ticket["revision"]) == (1, "new", 1, 0)
    assert ticket["subject"] == "I can't log in"
    assert ticket["requester"]["key"] == "slack:U1"
    assert ticket["requester"]["name"] == "Mia"
    assert ticket["trace_id"] == TRACEPARENT.split("-")[1]
    (message,) = await desk.messages(ticket["id"])
    assert message["text"] == "  I can't   log in\nsince yesterday"
    assert message["author"]["kind"] == "customer"
    assert (
        message["source"]["permalink"]
        == "https://slack.com/archives/C1/p1795435200000000?thread_ts=1716300000.000100&cid=C1"
    )
    (entry,) = await desk.history(ticket["id"])
    assert (entry["version"], entry["kind"], entry["actor"]["name"]) == (1, "opened", "Mia")


async def test_further_messages_go_into_the_open_ticket(desk: Desk) -> None:
    place = slack_place()
    ticket = await desk.opened(place)
    await desk.apply(place_message(place, "one", at=later(1)), place_message(place, "two", at=later(2)))

    (only,) = await desk.tickets()
    assert (only["id"], only["version"], only["status"]) == (ticket["id"], 3, "new")
    assert [one["text"] for one in await desk.messages(ticket["id"])] == ["Help!", "one", "two"]


async def test_a_batch_that_opens_and_continues_many_tickets_gives_each_its_number(desk: Desk) -> None:
    places = [telegram_place(chat) for chat in range(20)]
    commands = [place_message(place, f"{n}", at=later(n)) for n in range(3) for place in places]
    await desk.apply(*commands)

    tickets = await desk.tickets()
    assert sorted(ticket["number"] for ticket in tickets) == list(range(1, 21))
    assert {ticket["version"] for ticket in tickets} == {3}
    events = await desk.said("ticket.events.v1")
    assert len(events) == 60


async def test_a_message_is_stored_once_however_often_it_arrives(desk: Desk) -> None:
    command = place_message(slack_place())
    await desk.apply(command, command)
    await desk.apply(command)
    again = command.model_copy(update={"command_id": "another decision about the same message"})
    await desk.apply(again)

    (ticket,) = await desk.tickets()
    assert ticket["version"] == 1
    assert len(await desk.messages(ticket["id"])) == 1
    outcomes = await desk.database.pool.fetch("SELECT command_id, outcome FROM commands ORDER BY 1")
    assert sorted(row["outcome"] for row in outcomes) == ["duplicate", "opened"]


async def test_a_message_within_reopen_within_of_the_end_reopens(desk: Desk) -> None:
    place = telegram_place()
    ticket = await desk.opened(place)
    closed = await desk.patch(ticket, status="closed")
    assert closed.json()["closed_at"] is not None
    await desk.apply(place_message(place, "again", at=later(HOURS_72)))

    (only,) = await desk.tickets()
    assert (only["status"], only["closed_at"], only["solved_at"]) == ("open", None, None)
    assert (await desk.history(ticket["id"]))[-1]["kind"] == "reopened"


async def test_a_message_later_than_reopen_within_opens_a_ticket_that_follows(desk: Desk) -> None:
    place = telegram_place()
    ticket = await desk.opened(place)
    await desk.patch(ticket, status="solved")
    await desk.apply(place_message(place, "much later", at=later(HOURS_72 + 0.001)))

    newest, oldest = await desk.tickets()
    assert oldest["status"] == "solved"
    assert (newest["status"], newest["follows"], newest["number"]) == ("new", ticket["id"], 2)


async def test_names_are_those_of_the_platform(desk: Desk) -> None:
    await desk.apply(place_message(telegram_place(), author=telegram_author(9, "Ben")))

    (ticket,) = await desk.tickets()
    assert (ticket["requester"]["name"], ticket["platform"]) == ("Ben", "telegram")
    assert ticket["created_at"] == NOW.isoformat().replace("+00:00", "Z")


async def test_names_of_an_older_policy_come_through_whole(desk: Desk) -> None:
    """It could have control characters, one of which divides the elements of a list on the way into the database."""
    command = place_message(slack_place())
    assert command.open is not None
    opening = command.open.model_copy(update={"queue": "night\x00shift", "tags": ("a\x1fb", "", "vip")})
    await desk.apply(command.model_copy(update={"open": opening}))
    (ticket,) = await desk.tickets()
    assert (ticket["queue"], ticket["tags"]) == ("night\ufffdshift", ["a\ufffdb", "vip"])
    (event,) = await desk.said("ticket.events.v1")
    assert (event.ticket.queue, event.ticket.tags) == ("night\ufffdshift", ("a\ufffdb", "vip"))
