"""A violation names the rule, what broke it, and the shortest history that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chaos.facts import Facts, Operation


@dataclass(frozen=True, slots=True)
class Violation:
    """`subject` is a message key, reply, ticket or partition."""

    rule: str
    subject: str
    text: str
    history: tuple[str, ...] = ()


def of_message(facts: Facts, message: str) -> tuple[str, ...]:
    """All that was done to a message and what each part made of it."""

    def lines() -> Iterator[str]:
        yield from _operations(one for one in facts.operations if one.message == message)
        events = [one for one in facts.events if one.message == message]
        yield from (f"chat.events {one.partition}/{one.offset}: {one.id}" for one in events)
        ids = {one.id for one in events}
        for event in sorted(ids):
            times = facts.decisions.count(event)
            yield f"decided {times} times: {event}"
        commands = [one for one in facts.commands if one.event in ids]
        yield from (f"ticket.commands {one.partition}/{one.offset}: {one.id} decided {one.decided}" for one in commands)
        yield from _changes(facts, message)
        yield from (f"row: {one}" for one in facts.messages if one.id == message)
        yield from (f"chat: {one}" for one in facts.posts if one.key == message)

    return tuple(lines())


def of_reply(facts: Facts, reply: str, token: str) -> tuple[str, ...]:
    """All that was done to a reply and what each part made of it; `token` is in its text."""

    def lines() -> Iterator[str]:
        yield from _operations(one for one in facts.operations if reply in one.replies or token in one.text.split())
        yield from _changes(facts, reply)
        yield from (f"row: {one}" for one in facts.messages if one.id == reply or token in one.text.split())
        yield from (f"chat: {one}" for one in facts.posts if token in one.text.split())

    return tuple(lines())


def of_ticket(facts: Facts, ticket: str) -> tuple[str, ...]:
    """A ticket's changes as ticket.events shows them, and the agents' acts on it."""

    def lines() -> Iterator[str]:
        yield from _operations(one for one in facts.operations if one.ticket == ticket and one.tag)
        for one in facts.changes:
            if one.ticket == ticket:
                yield f"ticket.events {one.version}: {one.kind} {one.message or ''} because of {one.cause}"
        yield from (f"row: {one}" for one in facts.tickets if one.id == ticket)

    return tuple(lines())


def _operations(operations: Iterable[Operation]) -> Iterator[str]:
    for one in operations:
        said = f"{one.text!r} {one.name} {one.tag}".strip()
        yield f"{one.asked_at:.3f} to {one.ended_at:.3f}: act {one.act}, {one.kind} {said}: {one.outcome}"


def _changes(facts: Facts, message: str) -> Iterator[str]:
    for one in facts.changes:
        if one.message == message:
            yield f"ticket.events {one.ticket}:{one.version}: {one.kind} because of {one.cause}"
