"""Dead letters are of the poison that the campaign wrote only: each reader of a topic has each of them once, and ingest
has the payload that broke its shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chaos.check.violation import Violation
from chaos.facts import OF_NO_RECORD, Facts
from sandbox.stack.inside.backlog import READERS

RULE = "dead letters"


def check(facts: Facts) -> Iterator[Violation]:
    seen = Counter((one.consumer, one.topic, one.partition, one.offset) for one in facts.dead_letters)
    for one in facts.dead_letters:
        place = (one.topic, one.partition, one.offset)
        if place not in facts.poison and one.topic not in facts.maybe_poisoned:
            yield Violation(
                RULE, f"{one.topic} {one.partition}/{one.offset}", f"{one.consumer} refused it: {one.cause}"
            )
    for (consumer, topic, partition, offset), times in seen.items():
        if times > 1:
            yield Violation(RULE, f"{topic} {partition}/{offset}", f"{consumer} dead-lettered it {times} times")
    for topic, partition, offset in sorted(facts.poison):
        if (partition, offset) == OF_NO_RECORD:
            if not any((one.topic, one.partition, one.offset) == (topic, *OF_NO_RECORD) for one in facts.dead_letters):
                yield Violation(RULE, topic, "a payload that breaks its shape was taken, and no dead letter keeps it")
            continue
        for (_, consumer), topics in READERS.items():
            if topic in topics and not seen[consumer, topic, partition, offset]:
                yield Violation(RULE, f"{topic} {partition}/{offset}", f"{consumer} did not dead-letter this poison")
