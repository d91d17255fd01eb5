"""Delivery to a webhook: order, retries, expiry, connections. Time stands still but for `clock.advance`."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from telegram import Bot, Update

from sandbox.clock import ManualClock
from tests.contract.sandbox_telegram.support import BOT_ID, Receiver, Served, call, result


@pytest.fixture
async def hooked(served: Served, receiver: Receiver, http: aiohttp.ClientSession) -> Served:
    """The bot's webhook is the receiver; the person's first message has arrived there and is forgotten."""
    await result(http, "setWebhook", url=receiver.url, secret_token="s3cret-token")
    assert served.dialog.started
    await served.simulation.settled()
    receiver.updates.clear()
    receiver.headers.clear()
    return served


def send(served: Served, text: str, who: int | None = None) -> None:
    served.simulation.actions.send(who or served.person.id, text=text)


def another(served: Served) -> int:
    return served.simulation.world.add_person("Bob").id


def failing(receiver: Receiver, *statuses: int, **headers: str) -> None:
    """Answer the next requests with these statuses, then 200."""
    left = list(statuses)
    receiver.answer = lambda _: web.Response(status=left.pop(0) if left else 200, headers=headers)


async def test_an_update_arrives_with_the_secret_token(hooked: Served, receiver: Receiver) -> None:
    send(hooked, "/start abc")
    await hooked.simulation.settled()

    (update,) = receiver.updates
    assert receiver.headers[0]["X-Telegram-Bot-Api-Secret-Token"] == "s3cret-token"
    assert receiver.headers[0]["Content-Type"] == "application/json"
    assert update["message"]["chat"] == {
        "id": hooked.person.id,
        "first_name": "Ada",
        "last_name": "Lovelace",
        "type": "private",
    }
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert hooked.pending() == []


async def test_every_kind_of_update_is_one_that_python_telegram_bot_understands(
    hooked: Served, receiver: Receiver, http: aiohttp.ClientSession, ptb: Bot
) -> None:
    await result(http, "setWebhook", url=receiver.url, allowed_updates=ALL_KINDS)
    actions, person = hooked.simulation.actions, hooked.person
    bots_message = (await result(http, "sendMessage", chat_id=person.id, text="x", reply_markup=KEYBOARD))["message_id"]
    message = actions.send(person.id, text="see https://example.org", reply_to=bots_message)
    actions.edit(person.id, message.id, "edited")
    actions.react(person.id, person.id, message.id, ["👍"])
    actions.press(person.id, person.id, bots_message, "yes")
    actions.block(person.id, blocked=True)
    actions.set_member(hooked.group, BOT_ID, "administrator", by=person)
    actions.set_member(hooked.group, another(hooked), "member", by=person)
    assert hooked.topic.id
    actions.migrate(hooked.group.id, by=person)
    await hooked.simulation.settled()

    parsed = [Update.de_json(update, ptb) for update in receiver.updates]

    kinds = {kind for update in receiver.updates for kind in update if kind != "update_id"}
    assert kinds == set(ALL_KINDS)
    assert all(update.effective_chat is not None for update in parsed)


KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
ALL_KINDS = ["message", "edited_message", "message_reaction", "callback_query", "my_chat_member", "chat_member"]


async def test_a_failing_update_holds_back_its_chat_only(
    hooked: Served, receiver: Receiver, clock: ManualClock
) -> None:
    broken = hooked.person.id
    receiver.answer = lambda update: web.Response(status=500 if update_chat(update) == broken else 200)
    message = hooked.simulation.actions.send(broken, text="1")
    hooked.simulation.actions.edit(broken, message.id, "2")
    send(hooked, "3", another(hooked))
    await hooked.simulation.settled()
    assert sorted(receiver.texts()) == ["1", "3"]

    receiver.answer = lambda _: web.Response()
    clock.advance(1)
    await hooked.simulation.settled()

    assert receiver.texts()[-2:] == ["1", "2"]
    assert hooked.pending() == []


def update_chat(update: dict[str, Any]) -> int:
    return int(update["message"]["chat"]["id"])


async def test_a_reaction_overtakes_the_failing_messages_of_its_chat(
    hooked: Served, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    await result(http, "setWebhook", url=receiver.url, allowed_updates=["message", "message_reaction"])
    receiver.answer = lambda update: web.Response(status=500 if "message" in update else 200)
    message = hooked.simulation.actions.send(hooked.person.id, text="1")
    hooked.simulation.actions.react(hooked.person.id, hooked.person.id, message.id, ["👍"])
    await hooked.simulation.settled()

    assert hooked.pending() == ["message"]


async def test_retries_come_after_one_second_then_doubling_to_a_minute(
    hooked: Served, receiver: Receiver, clock: ManualClock
) -> None:
    failing(receiver, *[503] * 8)
    send(hooked, "x")
    waits = []
    while hooked.pending():
        await hooked.simulation.settled()
        attempts, waited = len(receiver.updates), 0
        while hooked.pending() and len(receiver.updates) == attempts:
            clock.advance(1)
            waited += 1
            await hooked.simulation.settled()
        waits.append(waited)

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len({update["update_id"] for update in receiver.updates}) == 1


async def test_retry_after_is_honoured(hooked: Served, receiver: Receiver, clock: ManualClock) -> None:
    failing(receiver, 429, **{"Retry-After": "300"})
    send(hooked, "x")
    await hooked.simulation.settled()
    clock.advance(299)
    await hooked.simulation.settled()
    assert len(receiver.updates) == 1

    clock.advance(1)
    await hooked.simulation.settled()

    assert len(receiver.updates) == 2
    assert hooked.pending() == []


async def test_an_update_is_dropped_after_24_hours(hooked: Served, receiver: Receiver, clock: ManualClock) -> None:
    receiver.answer = lambda _: web.Response(status=500)
    send(hooked, "old")
    await hooked.simulation.settled()
    clock.advance(86_400)
    send(hooked, "new")
    receiver.answer = lambda _: web.Response()
    await hooked.simulation.settled()

    assert receiver.texts() == ["old", "new"]
    assert hooked.pending() == []


async def test_a_retry_that_would_come_too_late_is_not_waited_for(
    hooked: Served, receiver: Receiver, clock: ManualClock
) -> None:
    failing(receiver, 503, 503, **{"Retry-After": "3600"})
    send(hooked, "x")
    await hooked.simulation.settled()
    clock.advance(86_400 - 1800)
    await hooked.simulation.settled()

    assert len(receiver.updates) == 2
    assert hooked.pending() == []


async def test_410_for_23_hours_removes_the_webhook(
    hooked: Served, receiver: Receiver, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    receiver.answer = lambda _: web.Response(status=410)
    send(hooked, "x")
    await hooked.simulation.settled()
    assert (await result(http, "getWebhookInfo"))["url"] == receiver.url

    clock.advance(23 * 3600 + 1)
    await hooked.simulation.settled()

    assert (await result(http, "getWebhookInfo"))["url"] == ""
    assert [update["message"]["text"] for update in await result(http, "getUpdates")] == ["x"]


async def test_setting_the_same_webhook_again_disturbs_nothing(
    hooked: Served, receiver: Receiver, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    failing(receiver, 500)
    send(hooked, "x")
    await hooked.simulation.settled()
    await result(http, "setWebhook", url=receiver.url, secret_token="s3cret-token")
    await hooked.simulation.settled()
    assert receiver.texts() == ["x"]

    await result(http, "setWebhook", url=receiver.url, secret_token="s3cret-token", drop_pending_updates=True)
    send(hooked, "y")
    clock.advance(1)
    await hooked.simulation.settled()

    assert receiver.texts() == ["x", "y"]


async def test_no_more_requests_at_once_than_max_connections(
    served: Served, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    receiver.hold = asyncio.Event()
    await result(http, "setWebhook", url=receiver.url, max_connections=3)
    for number in range(10):
        served.simulation.actions.send(served.simulation.world.add_person(f"P{number}").id, text="x")
    await receiver.wait_for(3)
    receiver.hold.set()
    await served.simulation.settled()

    assert (len(receiver.updates), receiver.most_open) == (10, 3)


async def test_a_webhook_that_is_away_gets_everything_in_order_when_it_is_back(
    served: Served, receiver: Receiver, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    await result(http, "setWebhook", url="http://127.0.0.1:1/hook")
    for number in range(3):
        send(served, str(number))
    await served.simulation.settled()
    assert (await result(http, "getWebhookInfo"))["last_error_message"] == "Connection refused"
    assert (await result(http, "getWebhookInfo"))["pending_update_count"] == 4

    await result(http, "setWebhook", url=receiver.url)
    await served.simulation.settled()

    assert receiver.texts() == ["hello", "0", "1", "2"]


async def test_the_answer_to_a_webhook_may_name_a_method(hooked: Served, receiver: Receiver) -> None:
    receiver.answer = lambda update: web.json_response(
        {"method": "sendMessage", "chat_id": update_chat(update), "text": "at once"}
    )
    send(hooked, "x")
    await hooked.simulation.settled()

    assert list(hooked.dialog.messages.values())[-1].content["text"] == "at once"


async def test_the_answer_to_a_webhook_may_not_delete_it(
    hooked: Served, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    receiver.answer = lambda _: web.json_response({"method": "deleteWebhook"})
    send(hooked, "x")
    await hooked.simulation.settled()

    assert (await result(http, "getWebhookInfo"))["url"] == receiver.url


async def test_a_redirect_is_a_failure(hooked: Served, receiver: Receiver, http: aiohttp.ClientSession) -> None:
    failing(receiver, 302, Location=receiver.url)
    send(hooked, "x")
    await hooked.simulation.settled()

    info = await result(http, "getWebhookInfo")
    assert info["last_error_message"] == "Wrong response from the webhook: 302 Found"
    assert info["pending_update_count"] == 1


async def test_kinds_left_out_by_default(served: Served, http: aiohttp.ClientSession, ptb: Bot) -> None:
    message = served.simulation.actions.send(served.person.id, text="x")
    served.forget_updates()
    react = served.simulation.actions.react

    react(served.person.id, served.person.id, message.id, ["👍"])
    assert served.pending() == []
    await ptb.get_updates(allowed_updates=["message", "message_reaction"])
    react(served.person.id, served.person.id, message.id, ["👎"])
    assert served.pending() == ["message_reaction"]
    await result(http, "getUpdates")  # left out: what was set before stays
    react(served.person.id, served.person.id, message.id, [])
    assert served.pending() == ["message_reaction"] * 2
    await result(http, "getUpdates", allowed_updates=[])  # empty: the default again
    react(served.person.id, served.person.id, message.id, ["👍"])
    assert served.pending() == ["message_reaction"] * 2


async def test_dropping_what_is_pending(served: Served, receiver: Receiver, http: aiohttp.ClientSession) -> None:
    send(served, "x")
    await result(http, "setWebhook", url=receiver.url, drop_pending_updates=True)
    send(served, "y")
    await served.simulation.settled()
    assert receiver.texts() == ["y"]

    receiver.answer = lambda _: web.Response(status=500)
    send(served, "z")
    await served.simulation.settled()
    await result(http, "deleteWebhook", drop_pending_updates=True)

    assert served.pending() == []


async def test_what_set_and_delete_webhook_say(served: Served, http: aiohttp.ClientSession) -> None:
    said = [
        (await call(http, method, **arguments))[1]["description"]
        for method, arguments in [
            ("setWebhook", {"url": "http://127.0.0.1:1/"}),
            ("setWebhook", {"url": "http://127.0.0.1:1/"}),
            ("setWebhook", {"url": "http://127.0.0.1:1/", "secret_token": "new"}),
            ("deleteWebhook", {}),
            ("deleteWebhook", {}),
            ("setWebhook", {"url": ""}),
        ]
    ]

    assert said == [
        "Webhook was set",
        "Webhook is already set",
        "Webhook was set",
        "Webhook was deleted",
        "Webhook is already deleted",
        "Webhook is already deleted",
    ]
