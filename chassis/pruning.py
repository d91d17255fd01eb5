"""What is old goes in small portions, a transaction each: nobody waits for a pruner, and it waits for nobody.

A rule's statement removes a portion of what is older than a moment. It skips locked rows, so any number of processes
may prune at once; what was skipped is old at the next turn too. Why an age is long enough is said in docs/retention.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis import metrics
from chassis.clock import Clock
from chassis.database import Database
from chassis.error_text import describe
from chassis.errors import Fate, fate_of
from chassis.logs import get_logger
from chassis.published import PUBLISHED

PORTION = 1000
TURN_SECONDS = 600.0
PAUSE_SECONDS = 0.1
"""Between two portions: others come first."""

REPEATABLE_DAYS = 38
"""How long anything may come again: Kafka keeps a record for 7 days, and one that is given up by then may be replayed
within 30 more. A day on top for clocks. Whatever recognises duplicates is kept at least so long."""
REPEATABLE = timedelta(days=REPEATABLE_DAYS)

log = get_logger("pruning")


@dataclass(frozen=True, slots=True)
class Rule:
    """`statement` is a DELETE: $1 the moment before which rows are old, $2 how many to remove at the most.

    It reports as many rows as it was allowed to remove when there may be more.
    """

    name: str
    statement: str
    age: timedelta


def by_age(table: str, column: str, age: timedelta, *, only: str = "true") -> Rule:
    """Rows of a table whose column lies before the moment. `only` is a further condition, in SQL."""
    statement = f"""
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE {column} < $1 AND {only} LIMIT $2 FOR UPDATE SKIP LOCKED
))"""  # noqa: S608 - put together from constants of the code
    return Rule(table, statement, age)


def leftovers(consumers: Mapping[str, Sequence[str]]) -> list[Rule]:
    """For the chassis' own tables: what consumers, given with their topics, left behind and nobody moves any more.

    A position that is still read stays, however long its partition is idle. So does what a person has accepted of the
    service's own topics: what is compacted stays in the log for good.
    """
    read = [(consumer, topic) for consumer, topics in consumers.items() for topic in topics]
    known = ", ".join(f"({_quoted(consumer)}, {_quoted(topic)})" for consumer, topic in read)
    return [
        by_age(
            "positions",
            "updated_at",
            REPEATABLE,
            only=f"consumer <> {_quoted(PUBLISHED)} AND (consumer, topic) NOT IN ({known})",
        ),
        by_age("attempts", "updated_at", REPEATABLE),
        by_age("dead_letter_shares", "updated_at", REPEATABLE),
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Pruner:
    """Applies rules, one after another, every ten minutes.

    Ages run on PostgreSQL's clock, unless one is given: a process whose own clock jumps forgets nothing too early.
    """

    def __init__(
        self, database: Database, rules: Sequence[Rule], *, clock: Clock | None = None, portion: int = PORTION
    ) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock
        self._portion = portion
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End `run` after the portion in hand."""
        self._stopping.set()

    async def run(self) -> None:
        """Prune until `stop`. Raises what is no transient error."""
        while not self._stopping.is_set():
            await self.prune()
            await self._rest(TURN_SECONDS)

    async def prune(self) -> dict[str, int]:
        """One turn over all rules; how many rows each removed. A transient error costs its rule the turn."""
        removed: dict[str, int] = {}
        for rule in self._rules:
            if self._stopping.is_set():
                break
            try:
                removed[rule.name] = removed.get(rule.name, 0) + await self._apply(rule)
            except Exception as error:
                if fate_of(error) is not Fate.TRANSIENT:
                    raise
                log.warning("not_pruned", rule=rule.name, error=describe(error))
        if gone := {name: number for name, number in removed.items() if number}:
            log.info("pruned", rows=gone)
        return removed

    async def _apply(self, rule: Rule) -> int:
        now = self._clock.now() if self._clock else await self._database.pool.fetchval("SELECT clock_timestamp()")
        removed = 0
        while not self._stopping.is_set():
            number = await self._portion_of(rule, now - rule.age)
            removed += number
            if number < self._portion:
                break
            await self._rest(PAUSE_SECONDS)
        return removed

    async def _portion_of(self, rule: Rule, before: datetime) -> int:
        async with self._database.transaction() as connection:
            status = await connection.execute(rule.statement, before, self._portion)
        number = int(status.rpartition(" ")[2])
        metrics.pruned_rows.labels(rule.name).inc(number)
        return number

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
