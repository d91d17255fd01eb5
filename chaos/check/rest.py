"""At the end nothing is under way any more, after each fault the stack came back to normal by itself, and no process
ended by itself but where Kafka or PostgreSQL was away.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaos.check.violation import Violation
from chaos.facts import Facts, Trouble

RULE = "rest"
_SERVERS = ("kafka", "postgres")
AFTERWARDS_SECONDS = 60.0


def check(facts: Facts) -> Iterator[Violation]:
    if facts.under_way is not None:
        yield Violation(RULE, "the stack", f"it did not come to rest: {facts.under_way}")
    for trouble in facts.troubles:
        if trouble.seconds is None:
            yield Violation(RULE, ", ".join(trouble.faults), "it was not recovered from")
    for one in facts.ended:
        if not any(_excuses(trouble, one.at) for trouble in facts.troubles):
            yield Violation(RULE, one.process, "it ended by itself, and its servers were there", (one.said,))


def _excuses(trouble: Trouble, at: float) -> bool:
    away = any(server in fault for fault in trouble.faults for server in _SERVERS)
    return away and trouble.began <= at <= trouble.ended + AFTERWARDS_SECONDS
