"""Retries, refusals, order and faults of event delivery."""

import asyncio

import pytest
from aiohttp import web
from slack_sdk.signature import Clock as SignatureClock
from slack_sdk.signature import SignatureVerifier

from sandbox.clock import ManualClock
from sandbox.slack import Simulation
from sandbox.slack.errors import SlackError
from tests.contract.sandbox_slack.world import World


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def simulation(clock: ManualClock) -> Simulation:
    return Simulation(seed=1, clock=clock)


async def until_waiting(clock: ManualClock) -> None:
    async with asyncio.timeout(5):
        while not clock.waiting:
            await asyncio.sleep(0)


def retry_headers(world: World) -> list[tuple[str | None, str | None]]:
    names = ("X-Slack-Retry-Num", "X-Slack-Retry-Reason")
    return [(r.headers.get(names[0]), r.headers.get(names[1])) for r in world.app.received]


async def test_three_retries_at_once_after_a_minute_and_after_five(world: World, clock: ManualClock) -> None:
    world.app.answers = [web.Response(status=500) for _ in range(4)]
    await world.say("hi")
    await world.app.count(2)
    await until_waiting(clock)
    assert clock.waiting == [60.0]
    clock.advance(60)
    await world.app.count(3)
    await until_waiting(clock)
    assert clock.waiting == [300.0]
    clock.advance(300)
    await world.idle()
    assert retry_headers(world) == [(None, None), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]
    assert len({received.body for received in world.app.received}) == 1
    (delivery,) = (await world.control("GET", "/deliveries"))["deliveries"]
    assert delivery["state"] == "failed"
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500] * 4


async def test_every_attempt_is_signed_anew(world: World, clock: ManualClock) -> None:
    world.app.answers = [web.Response(status=503), web.Response(status=503)]
    await world.say("hi")
    await until_waiting(clock)
    clock.advance(60)
    await world.idle()

    class Moment(SignatureClock):
        def now(self) -> float:
            return clock.now()

    verifier = SignatureVerifier(world.simulation.identity.signing_secret, Moment())
    first, _, third = world.app.received
    assert int(third.headers["X-Slack-Request-Timestamp"]) == int(first.headers["X-Slack-Request-Timestamp"]) + 60
    assert verifier.is_valid_request(third.body, third.headers)


async def test_a_refused_retry_ends_the_event(world: World) -> None:
    world.app.answers = [web.Response(status=500, headers={"X-Slack-No-Retry": "1"})]
    await world.say("hi")
    await world.idle()
    assert len(world.app.received) == 1
    assert (await world.control("GET", "/deliveries"))["deliveries"][0]["state"] == "failed"


async def test_no_answer_in_time_is_a_timeout(world: World) -> None:
    world.simulation.settings.timeout_seconds = 0.05
    world.app.gate.clear()
    await world.say("hi")
    await world.app.count(2)
    world.app.gate.set()
    await world.idle()
    assert retry_headers(world)[1] == ("1", "http_timeout")


async def test_a_closed_port_is_a_failed_connection(world: World, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    world.simulation.settings.retry_delays = (0.0,)
    await world.control("PUT", "/events", url=url, verify=False)
    await world.say("hi")
    await world.idle()
    (delivery,) = (await world.control("GET", "/deliveries"))["deliveries"]
    assert [attempt["reason"] for attempt in delivery["attempts"]] == ["connection_failed"] * 2


@pytest.mark.parametrize(("hops", "state", "reason"), [(2, "delivered", ""), (3, "failed", "too_many_redirects")])
async def test_two_redirects_are_followed(world: World, hops: int, state: str, reason: str) -> None:
    world.simulation.settings.retry_delays = ()
    world.app.answers = [web.Response(status=307, headers={"Location": world.app.url}) for _ in range(hops)]
    await world.say("hi")
    await world.idle()
    (delivery,) = (await world.control("GET", "/deliveries"))["deliveries"]
    assert (delivery["state"], delivery["attempts"][0]["reason"]) == (state, reason)


async def test_an_address_that_returns_no_challenge_is_refused(world: World) -> None:
    with pytest.raises(SlackError, match="url_verification_failed"):
        await world.simulation.configure_events(f"{world.base}/slack/api/api.test")
    refused = await world.control("PUT", "/events", status=400, url=f"{world.base}/nowhere")
    assert (refused["error"], refused["status"]) == ("url_verification_failed", 404)
    assert world.simulation.settings.events_url == world.app.url


async def test_a_channel_s_events_follow_one_another_while_others_go_on(world: World) -> None:
    await world.control("POST", "/channels", name="second", members=["anna"])
    world.app.gate.clear()
    await world.say("a1")
    await world.say("a2")
    await world.say("b1", channel="second")
    await world.app.count(2)
    assert sorted(event["text"] for event in world.app.events()) == ["a1", "b1"]
    world.app.gate.set()
    await world.idle()
    assert [event["text"] for event in world.app.events()][-1] == "a2"


async def test_a_failing_event_holds_up_no_later_one(world: World, clock: ManualClock) -> None:
    world.app.answers = [web.Response(status=500)]
    world.simulation.settings.retry_delays = (60.0,)
    await world.say("first")
    await world.say("second")
    await world.app.count(2)
    await until_waiting(clock)
    answer = await world.control("GET", "/idle?retries=0&timeout=5")
    assert (answer["idle"], answer["pending"], answer["retrying"]) == (True, 1, 1)
    clock.advance(60)
    await world.idle()
    assert [event["text"] for event in world.app.events()] == ["first", "second", "first"]


async def test_without_order_all_go_at_once(world: World) -> None:
    await world.control("PATCH", "/settings", order="none", concurrency=8)
    world.app.gate.clear()
    for number in range(5):
        await world.say(str(number))
    await world.app.count(5)
    world.app.gate.set()
    await world.idle()


async def test_no_more_than_so_many_are_on_their_way(world: World) -> None:
    await world.control("PATCH", "/settings", order="none", concurrency=2)
    world.app.gate.clear()
    for number in range(4):
        await world.say(str(number))
    await world.app.count(2)
    assert (await world.control("GET", "/idle?timeout=0.01"))["pending"] == 4
    assert len(world.app.received) == 2
    world.app.gate.set()
    await world.idle()
    assert len(world.app.received) == 4


async def test_a_lost_event_is_never_sent(world: World) -> None:
    await world.control("POST", "/faults", target="events", kind="lose", times=1)
    await world.say("lost")
    await world.say("kept")
    await world.idle()
    assert [event["text"] for event in world.app.events()] == ["kept"]
    states = [entry["state"] for entry in (await world.control("GET", "/deliveries"))["deliveries"]]
    assert states == ["lost", "delivered"]


async def test_a_duplicated_event_comes_again_with_its_id(world: World) -> None:
    await world.control("POST", "/faults", target="events", kind="duplicate", event_type="message")
    await world.say("twice")
    await world.idle()
    assert retry_headers(world) == [(None, None), ("1", "http_timeout")]
    assert len({received.json["event_id"] for received in world.app.received}) == 1


async def test_a_reordered_event_is_overtaken(world: World) -> None:
    await world.control("POST", "/faults", target="events", kind="reorder", times=1, seconds=0.1)
    for text in ("1", "2", "3"):
        await world.say(text)
    await world.idle()
    assert [event["text"] for event in world.app.events()] == ["2", "3", "1"]


async def test_a_delayed_event_keeps_its_place(world: World) -> None:
    await world.control("POST", "/faults", target="events", kind="delay", times=1, seconds=0.02)
    for text in ("1", "2"):
        await world.say(text)
    await world.idle()
    assert [event["text"] for event in world.app.events()] == ["1", "2"]


async def test_chance_is_repeatable(world: World) -> None:
    async def lost(seed: int) -> list[bool]:
        fault = await world.control("POST", "/faults", target="events", kind="lose", probability=0.5, seed=seed)
        before = len(world.simulation.dispatcher.log)
        for number in range(20):
            await world.say(str(number))
        await world.control("DELETE", f"/faults/{fault['fault']['id']}")
        return [entry.state == "lost" for entry in list(world.simulation.dispatcher.log)[before:]]

    first, again, other = await lost(1), await lost(1), await lost(2)
    assert first == again != other
    assert 0 < sum(first) < 20


async def test_a_tester_sends_any_event_and_any_event_again(world: World) -> None:
    sent = await world.control("POST", "/events", event={"type": "app_uninstalled"})
    await world.idle()
    await world.control("POST", f"/deliveries/{sent['event_id']}/redeliver")
    await world.control("POST", "/events/rate-limited")
    await world.idle()
    bodies = [received.json for received in world.app.received]
    assert [body.get("event") for body in bodies[:2]] == [{"type": "app_uninstalled"}] * 2
    assert bodies[0]["event_id"] == bodies[1]["event_id"] == sent["event_id"]
    assert bodies[2]["type"] == "app_rate_limited"


async def test_a_disabled_subscription_hears_nothing_until_its_address_is_saved_again(world: World) -> None:
    subscription = world.simulation.dispatcher.subscription
    for _ in range(1000):
        subscription.tried(first=True, delivered=False)
    assert (await world.control("GET", "/settings"))["settings"]["subscription_disabled"] is True
    await world.say("unheard")
    await world.control("PUT", "/events", url=world.app.url)
    await world.say("heard")
    await world.idle()
    assert [event["text"] for event in world.app.events()] == ["heard"]
