"""`kill -9` of every process at every fault point: nothing is lost, nothing is doubled, the order is kept."""

from __future__ import annotations

import asyncio
import re

import pytest

import chassis.faults
from contracts import keys
from sandbox.stack.paths import ROOT
from tests.end_to_end.support.faults import POINTS, consumer_points, relay_points
from tests.end_to_end.support.talk import Talk
from tests.end_to_end.support.town import Town
from tests.end_to_end.support.waiting import until, until_none

MOST_TALKS = 40


def test_every_fault_point_of_the_source_is_known_here() -> None:
    files = [path for folder in ("chassis", "services") for path in (ROOT / folder).rglob("*.py")]
    named = {name for path in files for name in re.findall(r'fault_point\(f?"([^"]+)"\)', path.read_text())}
    templates = {f"{{self._fault_prefix}}.{point.partition('.')[2]}" for point in chassis.faults.POINTS}
    assert named == templates | {point for points in POINTS.values() for point in points if point in named}
    assert templates <= named


async def talks_until_fallen(town: Town, process: str, point: str) -> list[Talk]:
    """New talks, until the process is dead: with two routers not every channel is the victim's."""
    talks: list[Talk] = []

    async def write() -> bool:
        if len(talks) < MOST_TALKS:
            talk = await (town.slack() if len(talks) % 2 == 0 else town.telegram())
            talks.append(talk)
            await talk.says()
            await talk.says()
        return town.faults.has_fallen(process, point)

    await until(write, what=f"{process} killed at {point}", seconds=30)
    return talks


@pytest.mark.parametrize("platform", ["slack", "telegram"])
async def test_ingest_killed_between_publishing_and_acknowledging(town: Town, platform: str) -> None:
    """The platform sends again what was published already."""
    process, point = f"ingest-{platform}", "ingest.published"
    talk = await (town.slack() if platform == "slack" else town.telegram())
    await talk.says()
    await talk.in_ticket()
    town.faults.arm(process, point)
    await talk.says()
    await town.faults.fallen(process, point)
    await talk.says()
    await town.faults.mend(process)
    await talk.says()
    await town.quiet.wait()
    events = await town.log.since(town.mark, "chat.events.v1")
    ids = [value.decode() for record in events for name, value in record.headers if name == "ce_id"]
    assert ids.count(talk.lines[1].key) >= 2, "it was published before the kill and sent again after it"
    await town.check()


@pytest.mark.parametrize("point", [*consumer_points("router"), "router.published", *relay_points("router")])
async def test_router_killed(town: Town, point: str) -> None:
    town.faults.arm("router-0", point)
    talks = await talks_until_fallen(town, "router-0", point)
    for talk in talks:
        await talk.says()
    await town.faults.mend("router-0")
    await talks[0].answered()
    await talks[0].says()
    await town.check()


@pytest.mark.parametrize("point", [*consumer_points("ticketing"), *relay_points()])
async def test_ticketing_worker_killed(town: Town, point: str) -> None:
    town.faults.arm("ticketing-worker-0", point)
    talks = await talks_until_fallen(town, "ticketing-worker-0", point)
    for talk in talks:
        await talk.says()
    await town.faults.mend("ticketing-worker-0")
    await talks[0].answered()
    await talks[0].says()
    await town.check()


@pytest.mark.parametrize("point", [*consumer_points("ticketing"), "ticketing.receipts_applied"])
async def test_ticketing_worker_killed_with_a_receipt_in_hand(town: Town, point: str) -> None:
    """The receipt was sent, and isn't applied, or nobody knows yet that it is."""
    talk = await town.slack()
    await talk.says()
    await talk.ticket()
    await town.quiet.wait()
    town.faults.arm("ticketing-worker-0", point)
    await talk.answered()  # the API writes it; the worker's relay hands it on, and its consumer gets only the receipt
    await town.faults.fallen("ticketing-worker-0", point)
    await talk.answered()
    await town.faults.mend("ticketing-worker-0")
    await town.check()


@pytest.mark.parametrize("point", consumer_points("ticketing-dead-letters"))
async def test_ticketing_worker_killed_with_a_dead_letter_in_hand(town: Town, point: str) -> None:
    talk = await town.slack()
    await talk.says()
    town.faults.arm("ticketing-worker-0", point)
    await town.log.write("chat.replies.v1", [(b"not JSON", [])], key=talk.channel_key)
    town.poison = 1
    await town.faults.fallen("ticketing-worker-0", point)
    await town.faults.mend("ticketing-worker-0")
    await talk.answered()
    await town.check()


@pytest.mark.parametrize("point", ["ticketing-api.handled", "ticketing-api.committed"])
async def test_ticketing_api_killed_with_a_reply_in_hand(town: Town, point: str) -> None:
    """The agent's program sends the reply again with its Idempotency-Key, not knowing whether it was stored."""
    talk = await town.slack()
    await talk.says()
    await talk.ticket()
    town.faults.arm("ticketing-api", point)

    async def mended() -> None:
        await town.faults.fallen("ticketing-api", point)
        await town.faults.mend("ticketing-api")

    await asyncio.gather(talk.answered(), mended())
    await town.check()


@pytest.mark.parametrize("point", [*consumer_points("notifier"), "notifier.leased", *relay_points("notifier")])
async def test_notifier_killed(town: Town, point: str) -> None:
    talks = [await town.slack(), await town.telegram()]
    for talk in talks:
        await talk.says()
        await talk.ticket()
    town.faults.arm("notifier-0", point)
    await talks[0].answered()
    await town.faults.fallen("notifier-0", point)
    for talk in talks:
        await talk.answered()
        await talk.answered()
    await town.faults.mend("notifier-0")
    await town.check()


@pytest.mark.parametrize("point", ["notifier.posted", "notifier.recorded"])
async def test_notifier_killed_after_a_post_to_slack(town: Town, point: str) -> None:
    """The thread is read back: one copy stays one copy, and the next reply follows it."""
    talk = await town.slack()
    await talk.says()
    await talk.ticket()
    town.faults.arm("notifier-0", point)
    await talk.answered()
    await town.faults.fallen("notifier-0", point)
    assert len(await talk.chat()) == 1, "it was posted before the kill"
    await talk.answered()
    await town.faults.mend("notifier-0")
    await town.check()


async def test_notifier_killed_after_a_post_to_telegram_that_nobody_recorded(town: Town) -> None:
    """Telegram can't be asked: the delivery is unknown, a person confirms it, and later replies weren't held up."""
    talk = await town.telegram()
    await talk.says()
    await talk.ticket()
    town.faults.arm("notifier-0", "notifier.posted")
    unknown = await talk.answered()
    await town.faults.fallen("notifier-0", "notifier.posted")
    await talk.answered()
    await town.faults.mend("notifier-0")
    unknown.state = "unknown"
    await town.check()
    await town.clients.api("POST", f"/tickets/{await talk.ticket()}/replies/{unknown.id}/confirm")
    unknown.state = "sent"

    async def unconfirmed() -> str | None:
        return None if (await talk.delivery(unknown))["state"] == "sent" else "not sent yet"

    await until_none(unconfirmed, what="the confirmed reply is sent")


async def test_notifier_killed_after_recording_a_post_to_telegram(town: Town) -> None:
    talk = await town.telegram()
    await talk.says()
    await talk.ticket()
    town.faults.arm("notifier-0", "notifier.recorded")
    await talk.answered()
    await town.faults.fallen("notifier-0", "notifier.recorded")
    await talk.answered()
    await town.faults.mend("notifier-0")
    await town.check()


@pytest.mark.parametrize("point", consumer_points("ingest-worker"))
async def test_ingest_worker_killed_with_a_wish_in_hand(town: Town, point: str) -> None:
    """The customer's name is looked up all the same."""
    town.faults.arm("ingest-worker", point)
    talk = await town.slack()
    await talk.says()
    await town.faults.fallen("ingest-worker", point)
    await talk.says()
    await town.faults.mend("ingest-worker")
    await town.check()
    ticket = await town.clients.api("GET", f"/tickets/{await talk.ticket()}")
    assert ticket["requester"]["name"] == "Ada"


@pytest.mark.parametrize("point", relay_points())
async def test_ingest_worker_killed_with_a_profile_on_its_way(town: Town, point: str) -> None:
    town.faults.arm("ingest-worker", point)
    talk = await town.telegram()
    await talk.says()
    await town.faults.fallen("ingest-worker", point)
    await town.faults.mend("ingest-worker")
    await town.check()
    profiles = await town.log.since(town.mark, "chat.profiles.v1")
    assert keys.telegram_person(talk.customer).encode() in {record.key for record in profiles}
