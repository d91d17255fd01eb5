"""Faults break the talk about the world, as often as they were told to, and leave the world as it should be."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from telegram import Bot, error

from sandbox.clock import ManualClock
from tests.contract.sandbox_telegram.support import Receiver, Served, call, control, result

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


def texts(served: Served) -> list[Any]:
    return [message.content["text"] for message in served.dialog.messages.values()]


async def test_a_dropped_answer_comes_after_the_effect(
    served: Served, http: aiohttp.ClientSession, clock: ManualClock, ptb: Bot
) -> None:
    await control(http, "POST", "/faults", target="sendMessage", kind="drop", count=2)

    with pytest.raises(aiohttp.ClientError):
        await call(http, "sendMessage", chat_id=served.dialog.id, text="1")
    clock.advance(1)
    with pytest.raises(error.NetworkError):
        await ptb.send_message(served.dialog.id, "2")
    clock.advance(1)
    await ptb.send_message(served.dialog.id, "3")

    assert texts(served) == ["hello", "1", "2", "3"]


async def test_a_connection_cut_before_has_no_effect(served: Served, http: aiohttp.ClientSession, ptb: Bot) -> None:
    await control(http, "POST", "/faults", target="*", kind="drop_before", count=2)

    with pytest.raises(aiohttp.ClientError):
        await call(http, "sendMessage", chat_id=served.dialog.id, text="1")
    with pytest.raises(error.NetworkError):
        await ptb.send_message(served.dialog.id, "2")

    assert texts(served) == ["hello"]


@pytest.mark.parametrize(
    ("fault", "status", "description", "effect"),
    [
        ({"kind": "429", "retry_after": 7}, 429, "Too Many Requests: retry after 7", False),
        ({"kind": "5xx"}, 500, "Internal Server Error", False),
        ({"kind": "5xx", "status": 502}, 502, "Bad Gateway", False),
        ({"kind": "5xx_after"}, 500, "Internal Server Error: sent message was immediately deleted", True),
        ({"kind": "5xx_after", "status": 504}, 504, "Gateway Timeout", True),
    ],
)
async def test_refusals_that_are_faults(
    fault: dict[str, Any],
    status: int,
    description: str,
    effect: bool,
    served: Served,
    http: aiohttp.ClientSession,
    ptb: Bot,
    clock: ManualClock,
) -> None:
    await control(http, "POST", "/faults", target="sendmessage", count=2, **fault)

    assert await call(http, "sendMessage", chat_id=served.dialog.id, text="x") == (
        status,
        {
            "ok": False,
            "error_code": status,
            "description": description,
            **({"parameters": {"retry_after": 7}} if status == 429 else {}),
        },
    )
    clock.advance(1)
    with pytest.raises(error.RetryAfter if status == 429 else error.NetworkError):
        await ptb.send_message(served.dialog.id, "x")
    assert texts(served) == ["hello", *(["x"] * 2 if effect else [])]


async def test_a_delay_lets_the_client_run_out_of_time(
    served: Served, http: aiohttp.ClientSession, clock: ManualClock
) -> None:
    await control(http, "POST", "/faults", target="sendMessage", kind="delay", seconds=30)
    sending = asyncio.create_task(call(http, "sendMessage", chat_id=served.dialog.id, text="late"))
    await clock.sleeping()
    assert texts(served) == ["hello"]

    clock.advance(30)

    assert (await sending)[0] == 200
    assert texts(served) == ["hello", "late"]


async def test_chance_can_be_repeated(served: Served, http: aiohttp.ClientSession) -> None:
    runs = []
    for _ in range(2):
        await control(http, "DELETE", "/faults")
        await control(http, "POST", "/faults", target="getMe", kind="5xx", probability=0.5, seed=7)
        runs.append([(await call(http, "getMe"))[0] for _ in range(40)])

    assert runs[0] == runs[1]
    assert 5 < runs[0].count(500) < 35
    assert served.simulation.faults.all()[0].hits == runs[1].count(500)


async def test_a_fault_of_one_chat_leaves_the_others_alone(served: Served, http: aiohttp.ClientSession) -> None:
    await control(http, "POST", "/faults", target="*", kind="5xx", chat_id=served.dialog.id)

    assert (await call(http, "sendMessage", chat_id=served.dialog.id, text="x"))[0] == 500
    assert (await call(http, "sendMessage", chat_id=served.group.id, text="x"))[0] == 200


async def test_faults_can_be_removed(http: aiohttp.ClientSession) -> None:
    fault = await control(http, "POST", "/faults", target="getMe", kind="5xx")
    assert (await call(http, "getMe"))[0] == 500

    assert await control(http, "DELETE", f"/faults/{fault['id']}") == {"faults": []}

    assert (await call(http, "getMe"))[0] == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"target": "makeCoffee", "kind": "5xx"}, "the Bot API has no method 'makeCoffee'"),
        ({"target": "updates", "kind": "429"}, "updates can suffer delay, drop, drop_before, duplicate, not 429"),
        ({"target": "getMe", "kind": "duplicate"}, "only updates can be duplicated"),
        ({"target": "getMe", "kind": "drop", "often": True}, "often: Extra inputs are not permitted"),
    ],
)
async def test_faults_that_make_no_sense(body: dict[str, Any], reason: str, http: aiohttp.ClientSession) -> None:
    async with http.post("/control/telegram/faults", json=body) as response:
        assert (response.status, await response.json()) == (400, {"error": reason})


@pytest.mark.parametrize(
    ("kind", "at_once", "after_a_second"),
    [
        ("duplicate", ["x", "x", "y"], ["x", "x", "y"]),
        ("drop", ["x"], ["x", "x", "y"]),
        ("drop_before", [], ["x", "y"]),
    ],
)
async def test_faults_of_delivery(
    kind: str,
    at_once: list[str],
    after_a_second: list[str],
    served: Served,
    receiver: Receiver,
    clock: ManualClock,
    http: aiohttp.ClientSession,
) -> None:
    served.meet()
    await result(http, "setWebhook", url=receiver.url)
    await control(http, "POST", "/faults", target="updates", kind=kind, count=1)
    served.simulation.actions.send(served.person.id, text="x")
    served.simulation.actions.send(served.person.id, text="y")
    await served.simulation.settled()
    assert receiver.texts() == at_once

    clock.advance(1)
    await served.simulation.settled()

    assert receiver.texts() == after_a_second
    assert served.pending() == []


async def test_a_delayed_kind_is_overtaken_by_others(
    served: Served, receiver: Receiver, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    served.meet()
    await result(http, "setWebhook", url=receiver.url, allowed_updates=["message", "message_reaction"])
    await control(http, "POST", "/faults", target="updates", kind="delay", seconds=10, update_kind="message")
    message = served.simulation.actions.send(served.person.id, text="x")
    served.simulation.actions.react(served.person.id, served.person.id, message.id, ["👍"])
    await receiver.wait_for(1)
    clock.advance(10)
    await served.simulation.settled()

    kinds = [next(kind for kind in update if kind != "update_id") for update in receiver.updates]
    assert kinds == ["message_reaction", "message"]


async def test_a_delayed_update_holds_back_its_chat(
    served: Served, receiver: Receiver, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    served.meet()
    await result(http, "setWebhook", url=receiver.url)
    await control(http, "POST", "/faults", target="updates", kind="delay", seconds=10, count=1)
    served.simulation.actions.send(served.person.id, text="x")
    served.simulation.actions.send(served.person.id, text="y")
    await clock.sleeping()
    assert receiver.texts() == []

    clock.advance(10)
    await served.simulation.settled()

    assert receiver.texts() == ["x", "y"]
