"""In: a ticket takes the messages of a channel in the order of their arrival. Out: the replies of a conversation stand
in the chat in the order in which they were written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from chaos.check.replies import token_of
from chaos.check.violation import Violation, of_ticket
from chaos.facts import Facts
from contracts import keys

RULE = "order"


def check(facts: Facts) -> Iterator[Violation]:
    yield from _inwards(facts)
    yield from _outwards(facts)


def _inwards(facts: Facts) -> Iterator[Violation]:
    arrived: dict[str, int] = {}
    for event in facts.events:
        arrived.setdefault(event.id, event.offset)
    context = {one.id for one in facts.messages if one.context}
    last: dict[tuple[str, str], tuple[int, str]] = {}
    seen: set[str] = set()
    for change in facts.changes:
        key = change.message
        if change.kind not in {"opened", "message_added", "reopened"} or key is None or key in context or key in seen:
            continue
        seen.add(key)
        if (offset := arrived.get(key)) is None:
            continue
        lane = (change.ticket, keys.channel_of_message(key))
        before, other = last.get(lane, (-1, ""))
        if offset < before:
            text = f"it took {key} (offset {offset}) after {other} (offset {before})"
            yield Violation(RULE, change.ticket, text, of_ticket(facts, change.ticket))
        last[lane] = (max(before, offset), key if offset > before else other)


def _outwards(facts: Facts) -> Iterator[Violation]:
    place = {post.key: index for index, post in enumerate(facts.posts) if post.ours and not post.deleted}
    written = {change.message: change.version for change in facts.changes if change.kind == "reply_added"}
    lines: dict[tuple[str, str | None], list[tuple[int, int, str]]] = defaultdict(list)
    for row in facts.messages:
        if row.kind == "reply" and row.state == "sent" and row.keys and row.id in written and row.keys[0] in place:
            lines[row.ticket, row.conversation].append((written[row.id], place[row.keys[0]], token_of(row.text)))
    for (ticket, _), replies in lines.items():
        ordered = sorted(replies)
        for (_, before, first), (_, after, second) in pairwise(ordered):
            if after < before:
                text = f"the reply {second} stands before {first}, which was written before it"
                yield Violation(RULE, ticket, text, of_ticket(facts, ticket))
