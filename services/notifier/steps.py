"""What is left to do between what a delivery should show and what stands in the chat. Pure.

An operation is carried out one call at a time: after each the parts are recorded, and the next step follows from them
alone, so that work resumes at the right place after any interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from contracts.chat_receipts_v1 import Operation
from contracts.keys import MessageKey
from services.notifier.ledger.entry import Part
from services.notifier.outcomes import Content


@dataclass(frozen=True, slots=True)
class Post:
    part: int
    content: Content


@dataclass(frozen=True, slots=True)
class Update:
    part: int
    key: MessageKey
    content: Content


@dataclass(frozen=True, slots=True)
class Remove:
    part: int
    key: MessageKey


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is as it should be."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It was cancelled or deleted before this could be posted."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A message would have to be changed whose key nobody knows."""


Step: TypeAlias = Post | Update | Remove | Nothing | Withdrawn | Unseen


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step, and how many calls come after it."""

    step: Step
    left: int = 0


def plan(
    kind: Operation, contents: Sequence[Content], revision: int, parts: Mapping[int, Part], *, withdrawn: bool
) -> Plan:
    """The next step of an operation. Deletion removes from the end; posts and edits work from the beginning."""
    if kind is Operation.DELETE:
        return _removals(sorted(parts, reverse=True), parts)
    if withdrawn:
        return Plan(Withdrawn() if kind is Operation.POST else Nothing())
    steps: list[Step] = []
    for number, content in enumerate(contents):
        part = parts.get(number)
        if part is None:
            steps.append(Post(number, content))
        elif part.revision != revision:
            if part.key is not None:
                steps.append(Update(number, part.key, content))
            elif kind is Operation.EDIT:
                return Plan(Unseen())
    if steps:
        return Plan(steps[0], len(steps) - 1 + sum(number >= len(contents) for number in parts))
    return _removals([number for number in sorted(parts, reverse=True) if number >= len(contents)], parts)


def _removals(numbers: Sequence[int], parts: Mapping[int, Part]) -> Plan:
    """What can be removed is; what nobody knows the key of is told in the end."""
    known = [(number, key) for number in numbers if (key := parts[number].key) is not None]
    if known:
        return Plan(Remove(*known[0]), len(numbers) - 1)
    return Plan(Unseen() if numbers else Nothing())
