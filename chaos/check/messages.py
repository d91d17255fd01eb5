"""Every message that was written is in exactly one ticket, once, with its final text, deletion and reactions.

A message of which Slack gave up an event is there at most once, with one of its texts: what wasn't acknowledged may be
missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from chaos.check.violation import Violation, of_message
from chaos.facts import Facts, Message, Operation

RULE = "messages"
_ADDED = frozenset({"opened", "message_added", "reopened"})


def check(facts: Facts) -> Iterator[Violation]:
    rows = {one.id: one for one in facts.messages if one.kind == "chat"}
    about: dict[str, list[Operation]] = defaultdict(list)
    for one in facts.operations:
        if one.message is not None:
            about[one.message].append(one)
    added: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for change in facts.changes:
        if change.kind in _ADDED and change.message is not None:
            added[change.message].add((change.ticket, change.version))
    for key, operations in about.items():
        for text in _problems(operations, rows.get(key), added[key], gave_up=key in facts.given_up):
            yield Violation(RULE, key, text, of_message(facts, key))
    unsure = {one.channel for one in facts.operations if one.kind == "post" and one.message is None and one.possible}
    for key, row in rows.items():
        if key not in about and not any(key.startswith(f"{channel}:") for channel in unsure):
            yield Violation(RULE, key, f"nobody wrote it, and it is in {row.ticket}", of_message(facts, key))


def _problems(
    operations: Sequence[Operation], row: Message | None, added: set[tuple[str, int]], *, gave_up: bool
) -> Iterator[str]:
    posted = operations[0].kind == "post" and operations[0].done
    if len(added) > 1:
        yield f"it was added {len(added)} times: {sorted(added)}"
    if row is None:
        if posted and not gave_up:
            yield "it is in no ticket"
        return
    if not added:
        yield f"ticket.events never showed that it came to {row.ticket}"
    texts, certain = _texts(operations)
    allowed = texts if gave_up else certain
    if row.text not in allowed:
        yield f"its text is {row.text!r}, not {' or '.join(map(repr, sorted(allowed)))}"
    deletions = [one for one in operations if one.kind == "delete" and one.possible]
    if row.deleted and not deletions:
        yield "it is marked as deleted, but nobody deleted it"
    if not row.deleted and any(one.done for one in deletions) and not gave_up:
        yield "it was deleted, but isn't marked so"
    if not deletions and not gave_up:
        yield from _reactions(operations, row)


def _texts(operations: Sequence[Operation]) -> tuple[set[str], set[str]]:
    """All texts that it may ever have had, and those of which one must be the last."""
    every: set[str] = set()
    last: set[str] = set()
    for one in operations:
        if one.kind in {"post", "edit"} and one.possible:
            every.add(one.text)
            last = {one.text} if one.done else last | {one.text}
    return every, last


def _reactions(operations: Sequence[Operation], row: Message) -> Iterator[str]:
    wanted: dict[tuple[str, str], bool | None] = {}
    for one in operations:
        if one.kind in {"react", "unreact"} and one.possible:
            added = one.kind == "react"
            wanted[one.person, one.name] = added if one.done else None
    for pair, there in wanted.items():
        if there is not None and (pair in row.reactions) != there:
            yield f"the reaction {pair} is {'missing' if there else 'still there'}"
    for pair in row.reactions - wanted.keys():
        yield f"nobody set the reaction {pair}"
