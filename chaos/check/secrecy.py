"""Nothing that a stack writes tells a secret, and where only ids belong nothing tells what people wrote or are called.

Words belong into tables and topics (dead letters of broken payloads too), not into logs, spans, metrics, command lines
and what dead letters say about their causes. chaos.search finds them; here also what was never searched is a violation,
as a search of nothing finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaos.check.violation import Violation
from chaos.facts import WRITTEN, Facts

RULE = "secrecy"


def check(facts: Facts) -> Iterator[Violation]:
    for one in facts.told:
        times = "" if one.times == 1 else f", {one.times} times in all"
        yield Violation(RULE, f"{one.kind} {one.place}", f"line {one.line} tells {one.what}{times}", (f"{one.shown}",))
    for kind in WRITTEN:
        if not facts.searched.get(kind):
            yield Violation(RULE, kind, "nothing of this kind was there to be searched")
