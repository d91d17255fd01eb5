"""At the end nothing is under way any more, and after each fault the stack came back to normal by itself."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.check.violation import Violation
from chaos.facts import Facts

RULE = "rest"


def check(facts: Facts) -> Iterator[Violation]:
    if facts.under_way is not None:
        yield Violation(RULE, "the stack", f"it did not come to rest: {facts.under_way}")
    for trouble in facts.troubles:
        if trouble.seconds is None:
            yield Violation(RULE, ", ".join(trouble.faults), "it was not recovered from")
