"""How a record is taken in hand, by what earlier attempts at it came to."""

from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from chassis.attempts import MAX_DEATHS_ALONE, Attempt
from chassis.batches import Outcome
from chassis.handling import Handling


class FakeBatches:
    """Batches, and their attempts: the first record killed its process whenever it was in hand alone."""

    def __init__(self, place: TopicPartition) -> None:
        self.attempts = self
        self.unproven = {place}
        self.done: list[tuple[str, int]] = []

    async def begin(self, places: dict[TopicPartition, int], *, alone: bool = False) -> dict[TopicPartition, Attempt]:
        deaths = {5: MAX_DEATHS_ALONE}
        return {tp: Attempt(2 + deaths.get(at, 0), deaths.get(at, 0)) for tp, at in places.items()}

    def doubt(self, partitions: Any) -> None:
        self.unproven.update(partitions)

    async def buried(self, raw: Any, *_: Any) -> Outcome:
        self.done.append(("buried", raw.offset))
        return Outcome({}, {})

    async def one_by_one(self, polled: Any, *_: Any, **__: Any) -> Outcome:
        self.done += [("alone", raw.offset) for raws in polled.values() for raw in raws]
        return Outcome({}, {})


@pytest.mark.parametrize(("topic", "first"), [("chat.events.v1", "buried"), ("chat.events.v1.dead", "alone")])
async def test_what_killed_its_process_is_buried_but_a_dead_letter_is_tried_at_each_start(
    topic: str, first: str
) -> None:
    """A dead letter has no dead letters: never tried again, it would end its process for ever."""
    place = TopicPartition(topic, 0)
    raws: list[Any] = [ConsumerRecord(topic, 0, at, 1, 0, b"k", b"x", None, 0, 0, ()) for at in (5, 6)]
    batches: Any = FakeBatches(place)
    _ = [outcome async for outcome in Handling(batches).outcomes({place: raws}, {place: 5})]
    assert batches.done == [(first, 5), ("alone", 6)]
