"""Without any fault: what people write is in tickets once, what agents answer is in chats once, in order."""

from __future__ import annotations

import asyncio

from tests.end_to_end.support.town import Town


async def test_many_talks_at_once_lose_and_double_nothing(town: Town) -> None:
    channel = await town.slack_channel()
    talks = [await town.slack(channel) for _ in range(3)] + [await town.telegram() for _ in range(3)]

    async def talk_on(number: int) -> None:
        talk = talks[number]
        for _ in range(3):
            await talk.says()
        await talk.answered()
        await talk.answered()
        await talk.edits(talk.lines[1], "better words")
        await talk.says()

    await asyncio.gather(*map(talk_on, range(len(talks))))
    await talks[0].deletes(talks[0].lines[2])
    await town.check()
