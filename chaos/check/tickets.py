"""Ticket versions are gapless, first appear in ticket.events in that order, and are one change each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from chaos.check.violation import Violation, of_ticket
from chaos.facts import Change, Facts

RULE = "versions"


def check(facts: Facts) -> Iterator[Violation]:
    first: dict[str, dict[int, Change]] = defaultdict(dict)
    for change in facts.changes:
        known = first[change.ticket].setdefault(change.version, change)
        if known != change:
            text = f"ticket.events shows two changes with version {change.version}"
            yield Violation(RULE, change.ticket, text, of_ticket(facts, change.ticket))
    for ticket in facts.tickets:
        gapless = list(range(1, ticket.version + 1))
        if list(ticket.history) != gapless:
            text = f"its history has the versions {list(ticket.history)}, not 1 to {ticket.version}"
            yield Violation(RULE, ticket.id, text, of_ticket(facts, ticket.id))
        shown = list(first[ticket.id])
        if shown != gapless:
            text = f"ticket.events showed first the versions {shown}, not 1 to {ticket.version}"
            yield Violation(RULE, ticket.id, text, of_ticket(facts, ticket.id))
    for ticket_id in first.keys() - {ticket.id for ticket in facts.tickets}:
        yield Violation(RULE, ticket_id, "ticket.events shows it, but it isn't there", of_ticket(facts, ticket_id))
