"""Every acknowledged happening is in chat.events, each event has exactly one decision, no command was decided twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from chaos.check.violation import Violation, of_message
from chaos.facts import Event, Facts, Operation

RULE = "decisions"


def check(facts: Facts) -> Iterator[Violation]:
    decided = Counter(facts.decisions)
    about = {event.id: event.message for event in facts.events}
    for event, message in about.items():
        if decided[event] != 1:
            text = f"the event {event} has {decided[event]} decisions"
            yield Violation(RULE, message, text, of_message(facts, message))
    commands: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for command in facts.commands:
        commands[command.id].add(command.decided)
    for name, places in commands.items():
        if len(places) > 1:
            message = about.get(name.rpartition("#")[0].removesuffix(":context"), name)
            text = f"the command {name} was decided from {sorted(places)}"
            yield Violation(RULE, message, text, of_message(facts, message))
    yield from _published(facts)


def _published(facts: Facts) -> Iterator[Violation]:
    events: dict[str, list[Event]] = defaultdict(list)
    for event in facts.events:
        events[event.message].append(event)
    done = [one for one in facts.operations if one.done and one.message not in facts.given_up]
    times = Counter((one.message, one.kind, one.person, one.name) for one in done)
    for one in done:
        if one.message is None:
            continue
        if not _shows(events[one.message], one, times[one.message, one.kind, one.person, one.name]):
            text = f"act {one.act} ({one.kind}) is not in chat.events"
            yield Violation(RULE, one.message, text, of_message(facts, one.message))


def _shows(events: list[Event], one: Operation, times: int) -> bool:
    """`times`: how often this reaction was set, or taken back; each is an event of its own."""
    match one.kind:
        case "post":
            return any(event.id == one.message for event in events)
        case "edit":
            return any(":edited:" in event.id and event.text == one.text for event in events)
        case "delete":
            return any(event.id == f"{one.message}:deleted" for event in events)
        case "react" | "unreact":
            word = "added" if one.kind == "react" else "removed"
            return sum(f":reaction:{one.person}:{one.name}:{word}:" in event.id for event in events) >= times
        case _:
            return True
