"""ingest-slack is down for longer than Slack tries: what people did meanwhile is in the tickets once.

No automatic answer is given to it, and reading it a second time changes nothing.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.end_to_end.conftest import GAP_SECONDS
from tests.end_to_end.support.talk import Talk
from tests.end_to_end.support.town import Town
from tests.end_to_end.support.waiting import until
from tests.end_to_end.test_cli import okno

PRICES = {"answers": [{"name": "prices", "words": ["price"], "text": "They are on the page."}]}
HURRIED = 5000
"""Times real: Slack has given up within a second."""


async def in_the_gap(talk: Talk, text: str | None = None) -> None:
    """History shows what a message says in the end: its first words are known to nobody."""
    line = await talk.says(text)
    await talk.edits(line, f"{line.text}, and more")
    line.before.clear()


async def given_up(town: Town, *talks: Talk) -> None:
    await town.speed(HURRIED)

    async def lost() -> bool:
        idle = await town.clients.slack("GET", "/idle?timeout=5")
        return bool(idle["idle"])

    await until(lost, what="Slack gives up")
    for talk in talks:
        listed = (await town.clients.slack("GET", f"/deliveries?channel={talk.channel}"))["deliveries"]
        assert listed[-1]["state"] == "failed"


@pytest.mark.parametrize("fallen_at", [None, "backfill.kept", "backfill.published"])
async def test_what_happened_while_ingest_was_down_is_recovered(town: Town, fallen_at: str | None) -> None:
    before = (await town.clients.api("GET", "/policy"))["document"]
    await town.clients.api("PUT", "/policy", PRICES)
    try:
        await _gap(town, fallen_at)
    finally:
        await town.clients.api("PUT", "/policy", before)


async def _gap(town: Town, fallen_at: str | None) -> None:
    old, new = await town.slack(), await town.slack()
    edited = await old.says("first words")
    deleted = await town.slack(old.channel)
    await old.says()
    removed = await old.says()
    await deleted.says()
    await deleted.says()
    for talk in (old, deleted):
        await talk.in_ticket()
    answer = await old.answered()
    await town.quiet.wait()
    down_at = time.monotonic()
    await town.stack.stop_process("ingest-slack")
    if fallen_at is not None:
        town.faults.arm("ingest-worker", fallen_at)
    await in_the_gap(new, "what is the price?")
    await new.says()
    await old.says()
    await old.edits(edited, "better words")
    await old.deletes(removed)
    await new.says(by=await town.slack_user("Bea"))
    await deleted.deletes(deleted.lines[1])
    await deleted.deletes(deleted.lines[0])
    await given_up(town, old, deleted, new)
    await asyncio.sleep(max(0.0, GAP_SECONDS + 1 - (time.monotonic() - down_at)))  # the gap itself
    await town.stack.start_process("ingest-slack")
    if fallen_at is not None:
        await town.faults.fallen("ingest-worker", fallen_at)
        async with town.database() as connection:  # what it had in hand would be due after a minute
            await connection.execute("UPDATE ingest.jobs SET due_at = now()")
        await town.faults.mend("ingest-worker")
    await new.in_ticket()
    await old.in_ticket()
    await old.says()
    await town.check()
    assert await old.chat() == [answer.text]
    assert (await town.clients.api("GET", f"/tickets/{await deleted.ticket()}"))["status"] == "comment_deleted"
    ends = {tp: end for tp, end in (await town.log.ends()).items() if tp.topic == "chat.events.v1"}
    said = await okno(town.stack, "backfill", "slack", "--since", "1d")
    assert said.code == 0, said.text
    await town.quiet.wait()
    assert {tp: end for tp, end in (await town.log.ends()).items() if tp.topic == "chat.events.v1"} == ends
    live = await town.slack()
    await live.says("and the price?")

    async def answered() -> bool:
        return await live.chat() == ["They are on the page."]

    await until(answered, what="the automatic answer to a live question")
    town.talks.remove(live)
    await town.check()
