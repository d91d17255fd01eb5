"""When the router publishes from memory, and when it reads its outbox back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, cast

import pytest

from chassis.batches import Outcome
from chassis.errors import Transient
from chassis.outbox import OutboxRow
from chassis.relay import Relay
from services.router.publishing import Publishing

SURE = Outcome({}, {}, handled=1, whole=True)


class FakeRelay:
    def __init__(self) -> None:
        self.done: list[tuple[str, object]] = []
        self.fails = False

    async def publish_written(self, rows: Sequence[tuple[int, OutboxRow]], age: float) -> None:
        if self.fails:
            raise Transient("Kafka is away")
        assert age >= 0
        self.done.append(("memory", [number for number, _ in rows]))

    async def publish_once(self, lanes: Collection[int]) -> int:
        self.done.append(("outbox", set(lanes)))
        return 0


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
def publishing(relay: FakeRelay) -> Publishing:
    return Publishing(cast("Relay", relay))


def rows(*lanes: int) -> list[OutboxRow]:
    return [OutboxRow("ticket.commands.v1", b"k", b"v", (), lane) for lane in lanes]


async def test_after_a_sure_commit_rows_are_published_from_memory(relay: FakeRelay, publishing: Publishing) -> None:
    publishing.wrote([7, 8], rows(3, 5))
    await publishing.after_commit(SURE)
    await publishing.after_commit(SURE)  # nothing was written since
    assert relay.done == [("memory", [7, 8])]


async def test_after_a_failure_the_outbox_says_what_was_committed(relay: FakeRelay, publishing: Publishing) -> None:
    publishing.wrote([7, 8], rows(3, 5))
    await publishing.after_commit(None)
    assert relay.done == [("outbox", {3, 5})]


async def test_where_another_process_may_have_committed_all_that_is_owned_is_read(
    relay: FakeRelay, publishing: Publishing
) -> None:
    """It may have died before publishing: its rows come before those that are written next."""

    class Owner:
        partitions: ClassVar = {("chat.events.v1", 4)}

    publishing.follow(Owner())
    await publishing.after_commit(None)
    publishing.wrote([7], rows(4))
    await publishing.after_commit(SURE)
    assert relay.done == [("outbox", {4}), ("memory", [7])]


async def test_what_was_published_is_deleted_before_the_process_ends(relay: FakeRelay, publishing: Publishing) -> None:
    publishing.stop()
    await publishing.sweep()
    assert relay.done == [("outbox", set())]


async def test_a_batch_that_was_taken_apart_is_read_back(relay: FakeRelay, publishing: Publishing) -> None:
    publishing.wrote([7], rows(3))  # rolled back with its savepoint, or not: only the outbox knows
    publishing.wrote([8], rows(3))
    await publishing.after_commit(Outcome({}, {}, handled=2))
    assert relay.done == [("outbox", {3})]


async def test_dead_letters_are_read_back(relay: FakeRelay, publishing: Publishing) -> None:
    publishing.wrote([7], rows(3))
    lane = publishing.dead_letter_lane("chat.events.v1", 4)
    await publishing.after_commit(Outcome({}, {}, handled=1, dead=1, whole=True))
    assert relay.done == [("outbox", {3, lane})]


async def test_what_could_not_be_published_is_read_back_later(relay: FakeRelay, publishing: Publishing) -> None:
    publishing.wrote([7], rows(3))
    relay.fails = True
    with pytest.raises(Transient):
        await publishing.after_commit(SURE)
    await publishing.after_commit(None)
    assert relay.done == [("outbox", {3})]
