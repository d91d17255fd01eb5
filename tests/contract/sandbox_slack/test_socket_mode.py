"""Socket Mode, by a raw websocket and with slack_sdk's own client."""

import asyncio
from typing import Any

import pytest
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from tests.contract.sandbox_slack.world import Json, World


@pytest.fixture
async def socketed(world: World) -> World:
    await world.control("PUT", "/events", transport="socket")
    return world


async def open_url(world: World) -> str:
    answer = await world.call("apps.connections.open", token=world.simulation.identity.app_token)
    url: str = answer["url"]
    return url


async def test_only_an_app_level_token_opens_a_socket(world: World) -> None:
    assert (await world.call("apps.connections.open"))["error"] == "not_allowed_token_type"
    answer = await world.sdk().apps_connections_open(app_token=world.simulation.identity.app_token)
    assert answer["url"].startswith("ws://127.0.0.1:")


async def test_hello_envelope_and_acknowledgement(socketed: World) -> None:
    async with socketed.session.ws_connect(await open_url(socketed)) as socket:
        hello = await socket.receive_json(timeout=5)
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        assert hello["connection_info"] == {"app_id": "A0SANDBOX"}
        ts = await socketed.say("hi")
        envelope = await socket.receive_json(timeout=5)
        payload = envelope.pop("payload")
        await socket.send_json({"envelope_id": envelope.pop("envelope_id")})
        await socketed.idle()
    assert envelope == {
        "type": "events_api",
        "accepts_response_payload": False,
        "retry_attempt": 0,
        "retry_reason": "",
    }
    assert (payload["type"], payload["event"]["ts"]) == ("event_callback", ts)
    (delivery,) = (await socketed.control("GET", "/deliveries"))["deliveries"]
    assert delivery["state"] == "delivered"


async def test_an_unacknowledged_envelope_comes_again(socketed: World) -> None:
    socketed.simulation.settings.timeout_seconds = 0.05
    async with socketed.session.ws_connect(await open_url(socketed)) as socket:
        await socket.receive_json(timeout=5)
        await socketed.say("hi")
        first = await socket.receive_json(timeout=5)
        second = await socket.receive_json(timeout=5)
        await socket.send_json({"envelope_id": second["envelope_id"]})
        await socketed.idle()
    assert first["payload"] == second["payload"]
    assert (second["retry_attempt"], second["retry_reason"]) == (1, "timeout")


async def test_a_link_works_once(world: World) -> None:
    url = await open_url(world)
    async with world.session.ws_connect(url):
        pass
    async with world.session.get(url.replace("ws://", "http://")) as response:
        assert response.status == 408


async def test_an_eleventh_socket_is_sent_away(socketed: World) -> None:
    sockets = [await socketed.session.ws_connect(await open_url(socketed)) for _ in range(11)]
    greetings = [await socket.receive_json(timeout=5) for socket in sockets]
    assert [greeting["type"] for greeting in greetings] == ["hello"] * 10 + ["disconnect"]
    assert greetings[-1]["reason"] == "too_many_websockets"
    for socket in sockets:
        await socket.close()


async def test_each_payload_goes_to_one_socket(socketed: World) -> None:
    sockets = [await socketed.session.ws_connect(await open_url(socketed)) for _ in range(2)]
    for socket in sockets:
        await socket.receive_json(timeout=5)
    heard: list[str] = []

    async def listen(socket: Any) -> None:
        async for message in socket:
            envelope = message.json()
            heard.append(envelope["payload"]["event"]["text"])
            await socket.send_json({"envelope_id": envelope["envelope_id"]})

    tasks = [asyncio.create_task(listen(socket)) for socket in sockets]
    for number in range(6):
        await socketed.say(str(number))
    await socketed.idle()
    for socket in sockets:
        await socket.close()
    await asyncio.gather(*tasks)
    assert heard == [str(number) for number in range(6)]


async def test_the_sdk_s_client_hears_acknowledges_and_reconnects_on_refresh(socketed: World) -> None:
    client = SocketModeClient(
        app_token=socketed.simulation.identity.app_token, web_client=socketed.sdk(), ping_interval=0.1
    )
    heard: asyncio.Queue[Json] = asyncio.Queue()

    async def listen(_client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        heard.put_nowait(request.payload["event"])

    client.socket_mode_request_listeners.append(listen)
    await client.connect()  # type: ignore[no-untyped-call]
    try:
        await asyncio.wait_for(socketed.simulation.sockets.opened.wait(), 5)
        await socketed.say("before")
        assert (await asyncio.wait_for(heard.get(), 5))["text"] == "before"
        told = await socketed.control("POST", "/sockets/disconnect", reason="refresh_requested")
        assert told["told"] == 1
        await asyncio.wait_for(socketed.simulation.sockets.opened.wait(), 5)
        await socketed.say("after")
        assert (await asyncio.wait_for(heard.get(), 5))["text"] == "after"
        await socketed.idle()
    finally:
        await client.close()  # type: ignore[no-untyped-call]
