"""No position ever moves backwards, and none stands after the end of its partition."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.check.violation import Violation
from chaos.facts import Facts

RULE = "positions"


def check(facts: Facts) -> Iterator[Violation]:
    for one in facts.set_back:
        reader = (one.consumer, one.topic, one.partition)
        history = tuple(
            f"{other.at}: from {other.before} to {other.after}"
            for other in facts.set_back
            if (other.consumer, other.topic, other.partition) == reader
        )
        yield Violation(RULE, _name(*reader), f"it went back from {one.before} to {one.after}", history)
    for reader, offset in facts.positions.items():
        end = facts.ends.get(reader[1:])
        if end is not None and offset > end:
            yield Violation(RULE, _name(*reader), f"it stands at {offset}, after the end {end}")


def _name(consumer: str, topic: str, partition: int) -> str:
    return f"{consumer} in {topic} partition {partition}"
