"""What one poll gathers, by a consumer that tells what was asked of it."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import TopicPartition

from chassis.polling import COMPANY_MS, LINGER_MS, POLL_MS, Poller

EVENTS, TICKETS = TopicPartition("events", 0), TopicPartition("tickets", 0)


class FakeConsumer:
    """Answers each `getmany` with the next of `answers`, and remembers how long it would have waited, in ms."""

    def __init__(self, *answers: dict[TopicPartition, list[Any]]) -> None:
        self.answers = list(answers)
        self.waits: list[int] = []

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        assert max_records > 0
        self.waits.append(timeout_ms)
        return self.answers.pop(0)


async def gathered(consumer: FakeConsumer, limit: int = 100) -> dict[TopicPartition, list[Any]]:
    poller = Poller(consumer, limit, {"tickets"})
    while not await poller.wait(asyncio.Event()):
        pass
    return poller.take()


async def test_what_comes_first_is_handed_on_at_once() -> None:
    consumer = FakeConsumer({}, {EVENTS: [1]})
    assert await gathered(consumer) == {EVENTS: [1]}
    assert consumer.waits == [0, POLL_MS]


async def test_where_records_waited_already_one_more_fetch_is_taken() -> None:
    consumer = FakeConsumer({EVENTS: [1]}, {EVENTS: [2]})
    assert await gathered(consumer) == {EVENTS: [1, 2]}
    assert consumer.waits == [0, LINGER_MS]


async def test_records_of_unhurried_topics_wait_for_others() -> None:
    consumer = FakeConsumer({}, {TICKETS: [1]}, {TICKETS: [2]}, {EVENTS: [3]})
    assert await gathered(consumer) == {TICKETS: [1, 2], EVENTS: [3]}
    assert consumer.waits[:2] == [0, POLL_MS]
    assert all(0 < wait <= COMPANY_MS for wait in consumer.waits[2:])


async def test_a_full_batch_waits_for_nothing() -> None:
    consumer = FakeConsumer({}, {TICKETS: [1, 2]})
    assert await gathered(consumer, limit=2) == {TICKETS: [1, 2]}


async def test_a_seek_while_records_wait_leaves_out_what_was_fetched_before() -> None:
    consumer = FakeConsumer({}, {TICKETS: [1]}, {TICKETS: [7]})
    poller = Poller(consumer, 100, {"tickets"})
    usual = consumer.getmany

    async def seeking(*, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        if len(consumer.waits) == 2:
            poller.sought()
        return await usual(timeout_ms=timeout_ms, max_records=max_records)

    consumer.getmany = seeking  # type: ignore[method-assign]
    while not await poller.wait(asyncio.Event()):
        pass
    assert poller.take() == {TICKETS: [7]}


async def test_a_seek_while_nothing_is_there_yet_leaves_out_nothing_of_what_comes_after_it() -> None:
    """A rebalance under a poll that waits: its first records were read from where the seek went."""
    consumer = FakeConsumer({}, {TICKETS: [7]}, {TICKETS: [8]}, {EVENTS: [9]})
    poller = Poller(consumer, 100, {"tickets"})
    usual = consumer.getmany

    async def seeking(*, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        if len(consumer.waits) == 1:
            poller.sought()
        return await usual(timeout_ms=timeout_ms, max_records=max_records)

    consumer.getmany = seeking  # type: ignore[method-assign]
    while not await poller.wait(asyncio.Event()):
        pass
    assert poller.take() == {TICKETS: [7, 8], EVENTS: [9]}
