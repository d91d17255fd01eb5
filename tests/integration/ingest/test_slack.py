"""What is said in the simulated Slack stands in `chat.events.v1`, by either transport, once Kafka has it."""

import asyncio
from pathlib import Path

from contracts.chat_events_v1 import MessageDeleted, MessageEdited, MessagePosted, ReactionChanged
from sandbox.stack.kafka.server import EmbeddedKafka
from tests.integration.ingest.support import Log, Platforms, running

TOPIC = "chat.events.v1"


def secrets(platforms: Platforms) -> dict[str, str]:
    identity = platforms.slack.identity
    return {
        "SLACK_SIGNING_SECRET": identity.signing_secret,
        "SLACK_APP_TOKEN": identity.app_token,
        "SLACK_API_URL": platforms.slack_api,
    }


async def a_channel(platforms: Platforms) -> dict[str, str]:
    user = (await platforms.act("POST", "/slack/users", {"name": "anna", "display_name": "Anna"}))["user"]["id"]
    channel = (await platforms.act("POST", "/slack/channels", {"name": "help"}))["channel"]["id"]
    return {"user": user, "channel": channel}


async def test_posts_edits_reactions_and_deletions_arrive_in_order(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log
) -> None:
    async with running("ingest-slack", kafka, **secrets(platforms)) as ingest:
        await platforms.slack.configure_events(f"{ingest.url}/slack/events")
        here = await a_channel(platforms)
        posted = await platforms.act("POST", "/slack/messages", {**here, "text": "a <b> & c"})
        message = f"/slack/messages/{here['channel']}/{posted['ts']}"
        await platforms.act("PATCH", message, {"text": "new"})
        await platforms.act("POST", f"{message}/reactions", {"user": here["user"], "name": "eyes"})
        await platforms.act("DELETE", message)
        events = await log.until(TOPIC, lambda found: any(isinstance(one.data, MessageDeleted) for one in found))
    ours = [one.data for one in events]
    assert [type(one) for one in ours] == [MessagePosted, MessageEdited, ReactionChanged, MessageDeleted]
    assert {one.message_key for one in ours} == {f"slack:{here['channel']}:{posted['ts']}"}
    assert (ours[0].text, ours[1].text, ours[2].name) == ("a <b> & c", "new", "eyes")


async def test_socket_mode_brings_events_and_acknowledges_them(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log
) -> None:
    await platforms.act("PUT", "/slack/events", {"transport": "socket"})
    async with running("ingest-slack", kafka, **secrets(platforms), SLACK_TRANSPORT="socket"):
        here = await a_channel(platforms)
        await platforms.act("POST", "/slack/messages", {**here, "text": "by socket"})
        (event,) = await log.until(TOPIC, lambda found: len(found) >= 1)
        assert event.data.text == "by socket"
        assert (await platforms.act("GET", "/slack/idle?timeout=20"))["idle"]


async def test_an_event_sent_again_after_a_kill_has_the_same_id(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, tmp_path: Path
) -> None:
    """Killed between Kafka's acknowledgement and the answer: Slack sends again, and the second record is a copy.

    The first thing published is the person's profile (`team_join`), the second the message.
    """
    faults = {"FAULT_POINTS": "ingest.published=kill@2", "FAULT_DIRECTORY": str(tmp_path)}
    async with running("ingest-slack", kafka, **secrets(platforms), **faults) as dying:
        await platforms.slack.configure_events(f"{dying.url}/slack/events", verify=False)
        here = await a_channel(platforms)
        await platforms.act("POST", "/slack/messages", {**here, "text": "once"})
        async with asyncio.timeout(30):
            await dying.process.wait()
    assert (tmp_path / "ingest.published.reached").exists()
    async with running("ingest-slack", kafka, **secrets(platforms)) as again:
        await platforms.slack.configure_events(f"{again.url}/slack/events", verify=False)
        (sent,) = (await platforms.act("GET", "/slack/deliveries?type=message"))["deliveries"]
        await platforms.act("POST", f"/slack/deliveries/{sent['event_id']}/redeliver")
        events = await log.until(TOPIC, lambda found: len(found) >= 2)
    assert len({one.id for one in events}) == 1
