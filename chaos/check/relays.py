"""One relay at a time: what ticketing's relay has published comes again only where its lease had got a new token since,
or where Kafka or PostgreSQL was away (a doubtful answer, deletions that a crash has undone).

A relay that is only slow, or stopped for less than its lease, repeats nothing, and nobody publishes beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaos.check.violation import Violation, of_ticket
from chaos.facts import Change, Facts, Trouble

RULE = "relays"
_SERVERS = ("kafka", "postgres")
SLACK_SECONDS = 10.0
"""From a new token to the last record of the holder before, which finds out at its next statement."""
AFTERWARDS_SECONDS = 60.0


def check(facts: Facts) -> Iterator[Violation]:
    first: dict[tuple[str, int], Change] = {}
    for change in facts.changes:
        known = first.setdefault((change.ticket, change.version), change)
        if known is not change and not _excused(facts, known.at, change.at):
            text = (
                f"version {change.version} was published at {known.at:.3f} and again at {change.at:.3f}, and the "
                f"relay's lease had no new token"
            )
            yield Violation(RULE, change.ticket, text, of_ticket(facts, change.ticket))


def _excused(facts: Facts, first: float, again: float) -> bool:
    begin, end = min(first, again) - SLACK_SECONDS, max(first, again)
    renewed = any(_clocks_differ(facts) or begin <= one.at <= end for one in facts.leased)
    return renewed or any(_away(one) and one.began <= end and begin <= one.ended + AFTERWARDS_SECONDS
                          for one in facts.troubles)  # fmt: skip


def _away(trouble: Trouble) -> bool:
    return any(server in fault for fault in trouble.faults for server in _SERVERS)


def _clocks_differ(facts: Facts) -> bool:
    """A relay's clock was set, which stamps its records: nobody can say what was before what."""
    return any(fault.startswith("clock ticketing-worker") for one in facts.troubles for fault in one.faults)
