"""The worker and the API as processes: killed at each fault point, nothing is lost and nothing doubled."""

import signal

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from contracts.chat_receipts_v1 import DeliveryChanged
from contracts.codec import encode
from contracts.ticket_commands_v1 import PlaceMessage
from services.ticketing import tokens
from services.ticketing.tokens import Scope
from tests.integration.ticketing.desk import NOW, Desk, later, place_message, slack_place, telegram_place
from tests.integration.ticketing.processes import Processes
from tests.integration.ticketing.test_replies import PLACE, receipt

WORKER = "ticketing-worker"


def conversation(chats: int, messages: int) -> list[PlaceMessage]:
    places = [telegram_place(chat) for chat in range(chats)]
    return [place_message(place, f"{n}", at=later(n)) for n in range(messages) for place in places]


POINTS = [
    "ticketing.polled",
    "ticketing.handled",
    "ticketing.committed",
    "ticketing.settled",
    "relay.taken",
    "relay.relayed",
]


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_anywhere_loses_and_doubles_nothing(processes: Processes, point: str) -> None:
    first = await processes.start(WORKER, faults=f"{point}=kill")
    await processes.send(*conversation(5, 4))
    assert await first.wait() == -signal.SIGKILL
    assert processes.reached(point)
    await processes.start(WORKER)

    async def stored() -> bool:
        return await processes.count("messages") == 20

    await processes.until(stored)
    await processes.relayed()
    events = await processes.events()
    assert len(events) == 5
    assert all(versions == [1, 2, 3, 4] for versions in events.values())
    assert await processes.count("commands") == await processes.count("history") == 20


async def test_a_receipt_in_hand_when_the_worker_dies_is_applied_once(processes: Processes, desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    first = await processes.start(WORKER, faults="ticketing.receipts_applied=kill")
    sent: DeliveryChanged = receipt(reply["id"], 1, "sent", message_keys=("slack:C1:1.000001",))
    await processes.send(sent)
    assert await first.wait() == -signal.SIGKILL
    assert processes.reached("ticketing.receipts_applied")
    assert (await desk.ticket(ticket["id"]))["version"] == 2
    await processes.start(WORKER)

    async def applied() -> bool:
        _, message = await desk.messages(ticket["id"])
        return bool(message["delivery"]["state"] == "sent")

    await processes.until(applied)
    assert (await desk.ticket(ticket["id"]))["version"] == 3


@pytest.mark.parametrize("point", ["ticketing-api.handled", "ticketing-api.committed"])
async def test_a_reply_repeated_after_the_api_was_killed_is_one_reply(
    processes: Processes, desk: Desk, point: str
) -> None:
    ticket = await desk.opened(slack_place())
    async with desk.database.transaction() as connection:
        created = await tokens.create(connection, "agent", scope=Scope.AGENT)
    headers = {"Authorization": f"Bearer {created.token}", "Idempotency-Key": "once"}
    path = f"/v1/tickets/{ticket['id']}/replies"
    process, url = await processes.start_api(faults=f"{point}=kill")
    async with httpx.AsyncClient(headers=headers) as client:
        with pytest.raises(httpx.TransportError):
            await client.post(url + path, json={"text": "Hi"})
        assert await process.wait() == -signal.SIGKILL
        assert processes.reached(point)
        _, url = await processes.start_api()
        answer = await client.post(url + path, json={"text": "Hi"})
    assert answer.status_code == 201
    assert len(await desk.messages(ticket["id"])) == 2
    assert len(await desk.said("chat.replies.v1")) == 1


async def test_a_broken_record_stops_nobody_and_waits_for_a_person(processes: Processes, desk: Desk) -> None:
    good = conversation(1, 2)
    await processes.send(good[0])
    producer = AIOKafkaProducer(bootstrap_servers=processes.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(
        "ticket.commands.v1", b"\xff", key=good[0].record_key.encode(), headers=[("x", b"\xff")]
    )
    await producer.stop()
    await processes.send(good[1])
    await processes.start(WORKER)

    async def projected() -> bool:
        return await processes.count("messages") == 2 and await processes.count("dead_letters") == 1

    await processes.until(projected)
    (letter,) = await desk.all("/dead-letters")
    assert (letter["topic"], letter["consumer"], letter["cause"]) == (
        "ticket.commands.v1",
        "ticketing",
        "header_not_utf8",
    )
    # Replayed, it is as broken as before, and comes back as a new dead letter.
    await desk.http.post(f"/v1/dead-letters/{letter['id']}/replay")

    async def again() -> bool:
        return await processes.count("dead_letters") == 2

    await processes.until(again)


async def test_behind_a_broken_record_its_channel_waits_in_order_and_others_go_on(
    processes: Processes, desk: Desk
) -> None:
    """A command is broken, corrected and replayed; what was written after it comes after it."""
    first, second = place_message(slack_place(), "one"), place_message(slack_place(), "two", at=later(1))
    encoded = encode(first, source="test", time=NOW)
    value = orjson.dumps(orjson.loads(encoded.value) | {"received_at": "never"})
    producer = AIOKafkaProducer(bootstrap_servers=processes.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(encoded.topic, value, key=encoded.key, headers=encoded.headers)
    await producer.stop()
    await processes.send(second, place_message(telegram_place(), "of another channel"))
    await processes.start(WORKER, PARK_KEYS="true")

    async def parked() -> bool:
        return await processes.count("messages") == 1 and await processes.count("dead_letters") == 2

    await processes.until(parked)
    waiting, broken = await desk.all("/dead-letters")
    assert (broken["cause"], waiting["cause"]) == ("bad_value", "parked")
    corrected = {"value": orjson.loads(encoded.value)}
    assert (await desk.http.put(f"/v1/dead-letters/{broken['id']}/value", json=corrected)).status_code == 200
    said = await desk.http.post("/v1/dead-letters/replay", json={"key": "slack:C1"})
    assert said.json() == {"settled": 2, "left": 0}

    async def handled() -> bool:
        return await processes.count("messages") == 3 and await processes.count("parked_records") == 0

    await processes.until(handled)
    (ticket,) = await desk.tickets(channel="slack:C1")
    assert [one["text"] for one in await desk.messages(ticket["id"])] == ["one", "two"]
    assert await processes.count("dead_letters") == 2


async def test_a_worker_ends_cleanly_when_asked(processes: Processes) -> None:
    process = await processes.start(WORKER)
    await processes.send(*conversation(2, 2))

    async def stored() -> bool:
        return await processes.count("messages") == 4

    await processes.until(stored)
    process.terminate()
    assert await process.wait() == 0
