"""Webhooks that come twice, in another order, or late: each message is there once, as it last was."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from contracts import keys
from tests.end_to_end.support.talk import Line, Talk
from tests.end_to_end.support.town import Town

HELD_SECONDS = 1.0


async def types_in_order(town: Town, talk: Talk) -> list[str]:
    """The event types of a channel as Kafka has them."""
    records = await town.log.since(town.mark, "chat.events.v1")
    mine = [record for record in records if record.key == talk.channel_key.encode()]
    return [dict(record.headers)["ce_type"].decode() for record in mine]


async def slack_fault(town: Town, kind: str, **more: Any) -> None:
    await town.clients.slack("POST", "/faults", {"target": "events", "kind": kind, **more})


async def telegram_fault(town: Town, kind: str, **more: Any) -> None:
    await town.clients.telegram("POST", "/faults", {"target": "updates", "kind": kind, **more})


async def test_duplicated_and_reordered_webhooks(town: Town) -> None:
    await slack_fault(town, "duplicate", probability=0.5, seed=1)
    await slack_fault(town, "reorder", probability=0.3, seed=2, seconds=0.3)
    await telegram_fault(town, "duplicate", probability=0.5, seed=3)
    await telegram_fault(town, "drop", probability=0.2, seed=4)
    await telegram_fault(town, "drop_before", probability=0.2, seed=5)
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(4)]

    async def talk_on(talk: Talk) -> None:
        for number in range(6):
            line = await talk.says()
            if number % 3 == 1:
                await talk.edits(line, "better words")
            if number == 5 and talk.platform == "slack":
                await talk.deletes(line)
        await talk.answered()

    await asyncio.gather(*map(talk_on, talks))
    await town.quiet.wait()
    events = await town.log.since(town.mark, "chat.events.v1")
    ids = [dict(record.headers)["ce_id"] for record in events]
    assert len(ids) > len(set(ids)), "some came twice"
    await town.check()


async def test_an_edit_and_a_deletion_that_overtake_their_message_on_slack(town: Town) -> None:
    edited, deleted = await town.slack(), await town.slack()
    for talk in (edited, deleted):
        await talk.says()
        await slack_fault(town, "reorder", seconds=HELD_SECONDS, times=1, channel=talk.channel)
        await talk.edits(await talk.says("first words"), "better words")
    await deleted.deletes(deleted.lines[1])
    await town.check()
    posted, changed, gone = (f"okno.chat.message_{what}.v1" for what in ("posted", "edited", "deleted"))
    assert await types_in_order(town, edited) == [posted, changed, posted]
    assert await types_in_order(town, deleted) == [posted, changed, gone, posted]


async def telegram_webhook(town: Town, update: dict[str, Any]) -> None:
    """Post an update as Telegram does."""
    telegram = town.stack.info.telegram
    headers = {"x-telegram-bot-api-secret-token": telegram.secret_token}
    answer = await town.http.post(telegram.webhook_url, json=update, headers=headers)
    assert answer.status_code == 200


async def test_an_edit_that_comes_before_its_message_on_telegram(town: Town) -> None:
    talk = await town.telegram()
    await talk.says()
    user = {"id": int(talk.customer), "is_bot": False, "first_name": "Ivan"}
    now = int(time.time())
    message = {
        "message_id": int(talk.lines[0].id) + 1, "from": user, "chat": {"id": user["id"], "type": "private"},
        "date": now, "text": "first words",
    }  # fmt: skip
    edited = {**message, "text": "better words", "edit_date": now + 1}
    await town.quiet.wait()
    await telegram_webhook(town, {"update_id": 2, "edited_message": edited})
    await telegram_webhook(town, {"update_id": 1, "message": message})
    key = keys.message_key(talk.channel_key, str(message["message_id"]))
    talk.lines.append(
        Line(key, str(message["message_id"]), f"telegram:{talk.customer}", "better words", ["first words"])
    )
    await town.check()
    posted, changed = "okno.chat.message_posted.v1", "okno.chat.message_edited.v1"
    assert await types_in_order(town, talk) == [posted, changed, posted]


async def test_late_webhooks_change_nothing(town: Town) -> None:
    """Everything is delivered once more after the ticket was closed: it stays closed and as it was."""
    talk = await town.slack()
    await talk.says()
    await talk.edits(await talk.says(), "better words")
    await talk.deletes(await talk.says())
    await talk.in_ticket()
    ticket = await talk.ticket()
    await town.check()
    await town.change(ticket, status="closed")
    before = await town.clients.api("GET", f"/tickets/{ticket}")
    delivered = (await town.clients.slack("GET", f"/deliveries?channel={talk.channel}"))["deliveries"]
    assert len(delivered) == 5
    for delivery in reversed(delivered):
        await town.clients.slack("POST", f"/deliveries/{delivery['event_id']}/redeliver")
    await town.check()
    assert await town.clients.api("GET", f"/tickets/{ticket}") == before
    assert len(await types_in_order(town, talk)) == 10


async def test_a_reaction_that_comes_twice_is_there_once(town: Town) -> None:
    await slack_fault(town, "duplicate")
    talk = await town.slack()
    line = await talk.says()
    await talk.in_ticket()
    path = f"/messages/{talk.channel}/{line.id}/reactions"
    await town.clients.slack("POST", path, {"user": talk.customer, "name": "eyes"})
    await town.check()
    (message,) = await town.messages(await talk.ticket())
    assert [(one["name"], one["person_key"]) for one in message["reactions"]] == [("eyes", f"slack:{talk.customer}")]
    events = await town.log.since(town.mark, "chat.events.v1")
    assert len([one for one in events if "name" in orjson.loads(one.value)]) == 2
