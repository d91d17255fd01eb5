"""The lag in seconds is how long the oldest unprocessed record has been seen to wait."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition

from chassis import group_offsets, metrics
from chassis.group_offsets import GroupOffsets, Waiting

HERE, THERE = TopicPartition("chat.events.v1", 0), TopicPartition("chat.events.v1", 1)


class Member:
    """What a member of a group is assigned, and what it committed."""

    def __init__(self) -> None:
        self.assigned: set[TopicPartition] = set()
        self.committed: list[dict[TopicPartition, int]] = []

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.assigned)

    def highwater(self, _: TopicPartition) -> int:
        return 100

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed.append(offsets)


def lag(consumer: str, tp: TopicPartition) -> float | None:
    labels = {"consumer": consumer, "topic": tp.topic, "partition": str(tp.partition)}
    return metrics.REGISTRY.get_sample_value("okno_consumer_lag_records", labels)


def with_a_batch_that_outlasts_its_assignment(member: Any, name: str) -> GroupOffsets:
    """Its position is stored once the partition is somebody else's."""
    offsets = GroupOffsets(member, name)
    member.assigned = {HERE}
    offsets.assigned({HERE: 5})
    assert lag(name, HERE) == 95
    offsets.revoked()
    offsets.stored({HERE: 9})
    return offsets


async def test_a_partition_that_is_gone_shows_no_lag_and_is_not_committed() -> None:
    member = Member()
    offsets = with_a_batch_that_outlasts_its_assignment(member, "gone")
    await offsets.last()
    member.assigned = {THERE}
    offsets.assigned({THERE: 0})
    await offsets.last()
    assert member.committed == []
    assert (lag("gone", HERE), lag("gone", THERE)) == (None, 100)


async def test_of_a_partition_that_comes_back_the_group_is_told_where_it_stands_now() -> None:
    member = Member()
    offsets = with_a_batch_that_outlasts_its_assignment(member, "back")
    await offsets.last()
    assert member.committed == [], "it is assigned, but another may have gone on: its position isn't known yet"
    offsets.assigned({HERE: 30})
    await offsets.last()
    assert member.committed == [{HERE: 30}]
    offsets.stored({HERE: 31})
    await offsets.last()
    assert member.committed[1:] == [{HERE: 31}]


def test_nothing_waits_at_the_end_of_the_log() -> None:
    waiting = Waiting()
    assert waiting.seconds(10, 10, now=0.0) == 0
    assert waiting.seconds(10, 10, now=9.0) == 0


def test_a_record_waits_since_the_log_was_first_seen_to_go_beyond_it() -> None:
    waiting = Waiting()
    waiting.seconds(10, 10, now=0.0)
    assert waiting.seconds(10, 11, now=1.0) == 0
    assert waiting.seconds(10, 15, now=5.0) == 4
    assert waiting.seconds(11, 15, now=7.0) == 2, "the next record came with the later end"
    assert waiting.seconds(15, 15, now=8.0) == 0


def test_a_busy_consumer_that_keeps_up_has_no_growing_lag() -> None:
    waiting = Waiting()
    assert [waiting.seconds(100 * n, 100 * n + 50, now=float(n)) for n in range(1, 50)] == [0.0] * 49


def test_a_long_lag_is_not_forgotten_when_there_is_no_room_for_more_sights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_offsets, "MOST_SIGHTS", 3)
    waiting = Waiting()
    for second in range(10):
        waited = waiting.seconds(0, second + 1, now=float(second))
    assert waited == 9
    assert waiting.seconds(9, 10, now=9.0) == 7, "of the records after the last sight none is told too young"
