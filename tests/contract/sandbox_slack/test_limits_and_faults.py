"""Rate limits of the Web API and the faults a tester switches on."""

import asyncio

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from sandbox.clock import ManualClock
from sandbox.slack import Simulation
from sandbox.slack.faults import Fault
from tests.contract.sandbox_slack.world import World

TIERS = [
    ("users.list", 20),
    ("conversations.list", 20),
    ("reactions.remove", 20),
    ("chat.update", 50),
    ("chat.delete", 50),
    ("reactions.add", 50),
    ("conversations.history", 50),
    ("conversations.replies", 50),
    ("conversations.info", 50),
    ("conversations.join", 50),
    ("conversations.open", 50),
    ("users.lookupByEmail", 50),
    ("users.info", 100),
    ("conversations.members", 100),
    ("files.getUploadURLExternal", 100),
]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def simulation(clock: ManualClock) -> Simulation:
    return Simulation(seed=1, clock=clock)


@pytest.mark.parametrize(("method", "per_minute"), TIERS)
async def test_a_method_s_calls_a_minute(world: World, clock: ManualClock, method: str, per_minute: int) -> None:
    for _ in range(per_minute):
        await world.call(method)
    clock.advance(20.5)
    status, headers, body = await world.raw(method)
    assert (status, headers["Retry-After"]) == (429, "40")
    assert body == {"ok": False, "error": "ratelimited"}
    with pytest.raises(SlackApiError) as refused:
        await world.sdk().api_call(method, params={})
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "40"
    clock.advance(40)
    assert (await world.raw(method))[0] == 200


async def test_one_post_a_second_in_a_channel_after_a_burst(world: World, clock: ManualClock) -> None:
    await world.control("POST", "/channels", name="second")
    sdk = world.sdk()
    for _ in range(world.simulation.settings.post_burst):
        await sdk.chat_postMessage(channel=world.channel, text="x")
    status, headers, _ = await world.raw("chat.postMessage", channel=world.channel, text="x")
    assert (status, headers["Retry-After"]) == (429, "1")
    with pytest.raises(SlackApiError) as refused:
        await sdk.chat_postMessage(channel=world.channel, text="x")
    assert refused.value.response.headers["Retry-After"] == "1"
    assert (await sdk.chat_postMessage(channel="second", text="x"))["ok"]
    clock.advance(1)
    assert (await sdk.chat_postMessage(channel=world.channel, text="x"))["ok"]
    assert (await world.raw("chat.postMessage", channel=world.channel, text="x"))[0] == 429


async def test_some_hundred_posts_a_minute_in_the_workspace(world: World, clock: ManualClock) -> None:
    await world.control("PATCH", "/settings", posts_per_minute=3)
    for _ in range(3):
        await world.call("chat.postMessage", channel=world.channel, text="x")
    status, headers, _ = await world.raw("chat.postMessage", channel="C0ELSEWHERE", text="x")
    assert (status, headers["Retry-After"]) == (429, "60")
    clock.advance(60)
    assert (await world.raw("chat.postMessage", channel=world.channel, text="x"))[0] == 200


@pytest.mark.parametrize("method", ["conversations.history", "conversations.replies"])
async def test_one_read_a_minute_outside_the_marketplace(world: World, method: str) -> None:
    await world.control("PATCH", "/settings", marketplace=False)
    assert (await world.raw(method))[0] == 200
    status, headers, _ = await world.raw(method)
    assert (status, headers["Retry-After"]) == (429, "60")


async def test_limits_can_be_off(world: World) -> None:
    await world.control("PATCH", "/settings", rate_limits=False)
    for _ in range(25):
        assert (await world.raw("users.list"))[0] == 200


async def messages(world: World) -> list[str]:
    listed = await world.control("GET", f"/channels/{world.channel}/messages")
    return [message["text"] for message in listed["messages"]]


async def test_a_connection_cut_after_the_effect(world: World) -> None:
    await world.control("POST", "/faults", target="chat.postMessage", kind="drop", effect=True, times=1)
    with pytest.raises(aiohttp.ClientError):
        await world.sdk().chat_postMessage(channel=world.channel, text="posted")
    assert await messages(world) == ["posted"]
    (call,) = (await world.control("GET", "/calls?method=chat.postMessage"))["calls"]
    assert (call["result"], call["answered"]) == ("ok", "drop")
    await world.idle()
    assert [event["text"] for event in world.app.events()] == ["posted"]
    assert (await world.sdk().chat_postMessage(channel=world.channel, text="second"))["ok"]


async def test_a_connection_cut_before_the_effect(world: World) -> None:
    await world.control("POST", "/faults", target="*", kind="drop")
    with pytest.raises(aiohttp.ClientError):
        await world.call("chat.postMessage", channel=world.channel, text="never")
    assert await messages(world) == []


@pytest.mark.parametrize("effect", [True, False])
async def test_an_internal_error_with_and_without_the_effect(world: World, effect: bool) -> None:
    await world.control("POST", "/faults", target="chat.postMessage", kind="api_error", effect=effect)
    with pytest.raises(SlackApiError) as refused:
        await world.sdk().chat_postMessage(channel=world.channel, text="x")
    assert refused.value.response["error"] == "internal_error"
    assert await messages(world) == (["x"] if effect else [])


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_error(world: World, status: int) -> None:
    world.simulation.faults.add(Fault("chat.postMessage", "http_error", status=status))
    assert (await world.raw("chat.postMessage", channel=world.channel, text="x"))[0] == status
    assert await messages(world) == []


async def test_a_limit_on_demand(world: World) -> None:
    await world.control("POST", "/faults", target="chat.update", kind="rate_limit", retry_after=7)
    with pytest.raises(SlackApiError) as refused:
        await world.sdk().chat_update(channel=world.channel, ts="1.1", text="x")
    assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize("effect", [True, False])
async def test_a_delay_before_or_after_the_effect(world: World, effect: bool) -> None:
    fault = world.simulation.faults.add(Fault("chat.postMessage", "delay", seconds=0.2, effect=effect))
    call = asyncio.create_task(world.call("chat.postMessage", channel=world.channel, text="x"))
    async with asyncio.timeout(5):
        while not fault.hits:
            await asyncio.sleep(0)
    during = list(world.simulation.workspace.channels[world.channel].messages)
    assert (len(during), call.done()) == (1 if effect else 0, False)
    assert (await call)["ok"]
    assert len(world.simulation.workspace.channels[world.channel].messages) == 1


async def test_a_fault_spares_hits_and_counts(world: World) -> None:
    made = await world.control(
        "POST", "/faults", target="chat.postMessage", kind="api_error", skip=1, times=1, channel=world.channel
    )
    await world.control("POST", "/channels", name="second")
    second = world.simulation.workspace.channel("second").id
    sent = [
        (await world.call("chat.postMessage", channel=channel, text="x"))["ok"]
        for channel in (world.channel, second, world.channel, world.channel)
    ]
    assert sent == [True, True, False, True]
    (fault,) = (await world.control("GET", "/faults"))["faults"]
    assert (fault["id"], fault["hits"]) == (made["fault"]["id"], 1)
    await world.control("DELETE", "/faults")
    assert (await world.control("GET", "/faults"))["faults"] == []


@pytest.mark.parametrize("body", [{"target": "events", "kind": "drop"}, {"target": "auth.test", "kind": "lose"}])
async def test_a_fault_of_the_wrong_kind_is_refused(world: World, body: dict[str, str]) -> None:
    refused = await world.control("POST", "/faults", status=400, **body)
    assert refused["error"] == "unknown_fault"
    assert refused["allowed"]
