"""All rules at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chaos.check import (
    changes,
    dead_letters,
    decisions,
    messages,
    order,
    positions,
    relays,
    replies,
    rest,
    secrecy,
    tickets,
)
from chaos.check.violation import Violation
from chaos.facts import Facts

RULES: dict[str, Callable[[Facts], Iterator[Violation]]] = {
    rule.RULE: rule.check
    for rule in (messages, decisions, replies, tickets, order, relays, changes, positions, dead_letters, rest, secrecy)
}


def violations(facts: Facts) -> list[Violation]:
    """Empty when every promise was kept."""
    return [violation for check in RULES.values() for violation in check(facts)]
