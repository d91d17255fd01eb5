"""Platforms that refuse, break off or answer nonsense while replies go out: each reply arrives once and in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.end_to_end.support.talk import Talk
from tests.end_to_end.support.town import Town


async def answers(talk: Talk, count: int) -> None:
    for _ in range(count):
        await talk.answered()


async def slack_fault(town: Town, kind: str, **more: Any) -> None:
    await town.clients.slack("POST", "/faults", {"target": "chat.postMessage", "kind": kind, **more})


async def telegram_fault(town: Town, kind: str, **more: Any) -> None:
    await town.clients.telegram("POST", "/faults", {"target": "sendMessage", "kind": kind, **more})


async def test_a_storm_of_rate_limits(town: Town) -> None:
    talks = [await (town.slack() if number % 2 else town.telegram()) for number in range(4)]
    for talk in talks:
        await talk.says()
        await talk.ticket()
    await slack_fault(town, "rate_limit", retry_after=1, times=3)
    await telegram_fault(town, "429", retry_after=1, count=3)
    await asyncio.gather(*(answers(talk, 3) for talk in talks))
    await town.check()
    faults = (await town.clients.slack("GET", "/faults"))["faults"]
    faults += (await town.clients.telegram("GET", "/faults"))["faults"]
    assert [fault["hits"] for fault in faults] == [3, 3]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("drop", {"effect": True}),
        ("drop", {"effect": False}),
        ("http_error", {"status": 503, "effect": True}),
        ("http_error", {"status": 500, "effect": False}),
        ("api_error", {"error": "internal_error", "effect": True}),
        ("delay", {"seconds": 2.5, "effect": True}),
    ],
    ids=["answer lost", "connection cut", "503 after the effect", "500", "internal error after the effect", "too slow"],
)
async def test_posts_to_slack_with_a_doubtful_outcome(town: Town, kind: str, more: dict[str, Any]) -> None:
    """The thread is read back: what is there isn't posted again, what isn't there is."""
    talk = await town.slack()
    await talk.says()
    await talk.ticket()
    await slack_fault(town, kind, times=2, skip=1, **more)
    await answers(talk, 3)
    await town.check()


async def test_posts_to_telegram_that_surely_failed_are_sent_again(town: Town) -> None:
    talk = await town.telegram()
    await talk.says()
    await talk.ticket()
    await telegram_fault(town, "429", retry_after=1, count=1)
    await answers(talk, 2)
    await town.check()


async def test_a_post_to_telegram_without_an_answer_is_unknown_and_holds_up_nothing(town: Town) -> None:
    talk = await town.telegram()
    await talk.says()
    await talk.ticket()
    await telegram_fault(town, "drop", count=1)
    await answers(talk, 3)
    talk.answers[0].state = "unknown"
    await town.check()
