"""Polling: what an offset confirms, what a negative one forgets, who wins when two poll."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from telegram import Bot, error

from sandbox.clock import ManualClock
from tests.contract.sandbox_telegram.support import Served, call, result


@pytest.fixture
def three(served: Served) -> list[int]:
    """Three messages wait; their update ids."""
    served.meet()
    for number in range(3):
        served.simulation.actions.send(served.person.id, text=str(number))
    return list(served.simulation.feed(served.simulation.bot().id).pending)


async def ids(http: aiohttp.ClientSession, **arguments: Any) -> list[int]:
    return [update["update_id"] for update in await result(http, "getUpdates", **arguments)]


async def test_updates_come_again_until_an_offset_confirms_them(three: list[int], http: aiohttp.ClientSession) -> None:
    assert await ids(http) == three
    assert await ids(http) == three
    assert await ids(http, offset=three[1]) == three[1:]
    assert await ids(http) == three[1:]
    assert await ids(http, offset=three[2] + 1) == []
    assert await ids(http) == []


async def test_an_offset_below_all_confirms_nothing(three: list[int], http: aiohttp.ClientSession) -> None:
    assert await ids(http, offset=1) == three


@pytest.mark.parametrize(("offset", "kept"), [(-1, 1), (-2, 2), (-100, 3)])
async def test_a_negative_offset_keeps_the_last_and_forgets_the_rest(
    offset: int, kept: int, three: list[int], http: aiohttp.ClientSession
) -> None:
    assert await ids(http, offset=offset) == three[-kept:]
    assert await ids(http) == three[-kept:]


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (2, 2), (1000, 3), (0, 1)])
async def test_a_limit_is_between_1_and_100(
    limit: int, expected: int, three: list[int], http: aiohttp.ClientSession
) -> None:
    assert await ids(http, limit=limit) == three[:expected]


async def test_python_telegram_bot_polls(three: list[int], ptb: Bot) -> None:
    updates = await ptb.get_updates(offset=three[1], limit=1)

    assert [update.message.text for update in updates if update.message] == ["1"]


async def test_a_long_poll_ends_with_the_first_update(
    served: Served, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    served.meet()
    poll = asyncio.create_task(result(http, "getUpdates", timeout=50))
    await clock.sleeping()

    served.simulation.actions.send(served.person.id, text="now")

    assert [update["message"]["text"] for update in await poll] == ["now"]


async def test_a_long_poll_ends_empty_after_its_timeout(
    served: Served, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    poll = asyncio.create_task(result(http, "getUpdates", timeout=7000))
    await clock.sleeping()

    clock.advance(50)  # the longest there is

    assert await poll == []


async def test_a_second_poll_ends_the_first(clock: ManualClock, http: aiohttp.ClientSession, ptb: Bot) -> None:
    first = asyncio.create_task(call(http, "getUpdates", timeout=50))
    await clock.sleeping()
    second = asyncio.create_task(ptb.get_updates(timeout=50))

    status, answer = await first
    await clock.sleeping()
    with pytest.raises(error.Conflict, match="terminated by other getUpdates request"):
        await third_poll_ends(second, http)

    assert status == 409
    assert answer["description"] == (
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    )


async def third_poll_ends(poll: asyncio.Task[Any], http: aiohttp.ClientSession) -> None:
    await result(http, "getUpdates")
    await poll


async def test_a_webhook_ends_the_poll(clock: ManualClock, http: aiohttp.ClientSession) -> None:
    poll = asyncio.create_task(call(http, "getUpdates", timeout=50))
    await clock.sleeping()

    await result(http, "setWebhook", url="http://127.0.0.1:1/")

    assert (await poll)[1]["description"] == "Conflict: terminated by setWebhook request"


@pytest.mark.parametrize(("kind", "seconds"), [("message", 86_400), ("callback_query", 150)])
async def test_updates_are_kept_so_long(
    kind: str, seconds: int, served: Served, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
    sent = await result(http, "sendMessage", chat_id=served.dialog.id, text="x", reply_markup=keyboard)
    served.forget_updates()
    if kind == "message":
        served.simulation.actions.send(served.person.id, text="x", at=1.0)
    else:
        served.simulation.actions.press(served.person.id, served.dialog.id, sent["message_id"], "yes")

    clock.advance(seconds - 1)
    assert len(await ids(http)) == 1
    clock.advance(1)
    assert await ids(http) == []
