"""What is said to the simulated bot stands in `chat.events.v1`, by webhook or by long polling."""

import asyncio
from pathlib import Path

import pytest

from contracts.chat_events_v1 import MessageEdited, MessagePosted
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.telegram import BotIdentity
from tests.integration.ingest.support import Log, Platforms, running

TOPIC = "chat.events.v1"


def secrets(platforms: Platforms, transport: str) -> dict[str, str]:
    return {
        "TELEGRAM_BOT_TOKEN": BotIdentity().token,
        "TELEGRAM_API_URL": platforms.telegram_api,
        "TELEGRAM_SECRET_TOKEN": "a-secret",
        "TELEGRAM_TRANSPORT": transport,
    }


async def say(platforms: Platforms, user_id: int, text: str) -> int:
    sent = await platforms.act("POST", "/telegram/messages", {"user_id": user_id, "text": text})
    return int(sent["message_id"])


async def someone(platforms: Platforms) -> int:
    return int((await platforms.act("POST", "/telegram/users", {"first_name": "Ivan"}))["user_id"])


@pytest.mark.parametrize("transport", ["webhook", "polling"])
async def test_messages_and_edits_arrive_in_order(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, transport: str
) -> None:
    user = await someone(platforms)
    async with running("ingest-telegram", kafka, **secrets(platforms, transport)) as ingest:
        if transport == "webhook":
            webhook = f"{ingest.url}/telegram/7700"
            arguments = {"url": webhook, "secret_token": "a-secret"}
            await _bot_call(platforms, "setWebhook", arguments)
        first = await say(platforms, user, "one")
        await say(platforms, user, "two")
        await platforms.act("PATCH", f"/telegram/chats/{user}/messages/{first}", {"text": "uno"})
        events = await log.until(TOPIC, lambda found: len(found) >= 3)
    assert [(type(one.data), one.data.text) for one in events] == [
        (MessagePosted, "one"),
        (MessagePosted, "two"),
        (MessageEdited, "uno"),
    ]


async def test_polling_confirms_only_what_kafka_has(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, tmp_path: Path
) -> None:
    """Killed after publishing and before confirming: Telegram hands the update out again, under the same id."""
    user = await someone(platforms)
    faults = {"FAULT_POINTS": "ingest.published=kill", "FAULT_DIRECTORY": str(tmp_path)}
    async with running("ingest-telegram", kafka, **secrets(platforms, "polling"), **faults) as dying:
        await say(platforms, user, "once")
        async with asyncio.timeout(30):
            await dying.process.wait()
    assert (tmp_path / "ingest.published.reached").exists()
    async with running("ingest-telegram", kafka, **secrets(platforms, "polling")):
        events = await log.until(TOPIC, lambda found: len(found) >= 2)
    assert len({one.id for one in events}) == 1


async def _bot_call(platforms: Platforms, method: str, arguments: dict[str, str]) -> None:
    from aiohttp import ClientSession

    url = f"{platforms.telegram_api}/bot{BotIdentity().token}/{method}"
    async with ClientSession() as session, session.post(url, json=arguments) as answer:
        assert answer.status == 200, await answer.text()
