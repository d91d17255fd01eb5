"""A ticket's change that the API acknowledged is there once, one that it refused is nowhere, and none was made over a
change that its agent hadn't seen: each names in its history the very tags that the agent saw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from chaos.check.violation import Violation, of_ticket
from chaos.facts import Change, Facts

RULE = "changes"


def check(facts: Facts) -> Iterator[Violation]:
    made: dict[str, dict[tuple[str, int], Change]] = defaultdict(dict)
    for change in facts.changes:
        if change.tags is not None:
            for tag in change.tags[1]:
                made[tag][change.ticket, change.version] = change
    for one in facts.operations:
        if not one.tag:
            continue
        changes = list(made[one.tag].values())
        problems = []
        if one.done and not changes:
            problems.append(f"the change {one.tag} was acknowledged, and isn't there")
        if one.outcome == "failed" and changes:
            problems.append(f"the change {one.tag} was refused, and is there")
        if len(changes) > 1:
            problems.append(f"the change {one.tag} was made {len(changes)} times")
        for change in changes:
            before = change.tags[0] if change.tags else ()
            if before != one.seen_tags:
                problems.append(
                    f"the change {one.tag} was made over {list(before)}; its agent saw {list(one.seen_tags)}"
                )
        yield from (Violation(RULE, one.ticket, text, of_ticket(facts, one.ticket)) for text in problems)
