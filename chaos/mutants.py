"""Code that is broken on purpose: in which processes, how they are started, and the moments that must betray it.

What is broken is in chaos.mutant. Each plan goes on as long as the campaign; on sound code it finds nothing.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chaos.check.violation import Violation
from chaos.nemesis_plan import PROCESSES, Fault, Group, Round, rounds

INTAKE = ("ingest-slack", "ingest-telegram")


@dataclass(frozen=True, slots=True)
class Mutant:
    """`kinds` of processes run the broken code; `moment` is done again and again; one of the rules `seen_by` must see
    it.
    """

    kinds: tuple[str, ...]
    moment: tuple[Fault, ...]
    seen_by: frozenset[str]


MUTANTS: dict[str, Mutant] = {
    "no-offset-fence": Mutant(
        ("router", "ticketing-worker", "notifier"),
        (
            Fault("points", "stop", "router-0", 12.0, point="router.polled"),
            Fault("points", "stop", "ticketing-worker-1", 12.0, point="ticketing.polled"),
        ),
        frozenset({"positions"}),
    ),
    "early-acknowledgement": Mutant(
        INTAKE,
        (
            Fault("servers", "kill", "kafka", 4.0),
            *(Fault("processes", "kill", name, 3.0, delay=2.0) for name in PROCESSES if name.startswith(INTAKE)),
        ),
        frozenset({"messages", "decisions"}),
    ),
    "no-read-back": Mutant(
        ("notifier",), (Fault("platforms", "platform", "slack answer lost", 8.0),), frozenset({"replies"})
    ),
    "two-relays": Mutant(
        ("ticketing-worker",),
        (  # for less than a lease: a sound relay goes on where it was, and nobody has published for it
            Fault("points", "stop", "ticketing-worker-0", 2.0, point="relay.taken"),
            Fault("points", "stop", "ticketing-worker-1", 2.0, delay=3.0, point="relay.taken"),
        ),
        frozenset({"relays"}),
    ),
    "commit-before-state": Mutant(
        ("router", "ticketing-worker"),
        (
            Fault("points", "kill", "router-0", 1.0, point="router.handled"),
            Fault("points", "kill", "ticketing-worker-1", 1.0, delay=0.5, point="ticketing.handled"),
        ),
        frozenset({"messages", "decisions"}),
    ),
    "loose-tongue": Mutant(
        ("notifier",), (Fault("platforms", "platform", "telegram 429", 4.0),), frozenset({"secrecy"})
    ),
}


def seen(mutant: str | None, violations: Iterable[Violation]) -> bool:
    """Whether a rule that must see the mutant did; other rules may break for other reasons."""
    return mutant is not None and any(one.rule in MUTANTS[mutant].seen_by for one in violations)


def command(mutant: str | None, kind: str, name: str) -> Sequence[str]:
    """As the stack would start it, but with the mutation where it belongs."""
    if mutant is not None and kind in MUTANTS[mutant].kinds:
        return [sys.executable, "-m", "chaos.mutant", mutant, "run", kind, "--name", name]
    return [sys.executable, "-m", "cli", "run", kind, "--name", name]


def plan(seed: int, mutant: str | None, groups: Sequence[Group]) -> Iterator[Round]:
    """The nemesis's rounds; none without groups."""
    if mutant is None:
        return rounds(seed, groups) if groups else iter(())
    return _moments(seed, MUTANTS[mutant].moment)


def _moments(seed: int, moment: tuple[Fault, ...]) -> Iterator[Round]:
    chance = random.Random(f"moments {seed}")
    number = 0
    while True:
        yield Round(number, chance.uniform(1.0, 4.0), moment)
        number += 1
