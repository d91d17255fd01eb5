"""A consumer that dead-letters too much of what it reads is broken itself: it stops instead of draining the topic.

The share is taken over the latest records. It is stored with the dead letters, so a restart doesn't start afresh.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from chassis.database import Connection
from chassis.errors import Fatal

_LOAD = "SELECT records, dead_letters FROM dead_letter_shares WHERE consumer = $1 AND process = $2"
_SAVE = """
INSERT INTO dead_letter_shares (consumer, process, records, dead_letters) VALUES ($1, $2, $3, $4)
ON CONFLICT (consumer, process) DO UPDATE
SET records = excluded.records, dead_letters = excluded.dead_letters, updated_at = now()"""
_RESET = "DELETE FROM dead_letter_shares WHERE consumer = $1"


class TooManyDeadLetters(Fatal):
    """Nothing of the batch at hand was committed; the position stands where it stood."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Stop when of the latest `window` records more than `share` were dead-lettered, and at least `least` of them."""

    share: float = 0.5
    least: int = 100
    window: int = 1000


@dataclass(slots=True)
class Share:
    """Dead letters among the latest records, batch by batch."""

    limit: Limit = field(default_factory=Limit)
    records: int = 0
    dead: int = 0
    _batches: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, records: int, dead: int) -> None:
        """A committed batch. The oldest batches are left out as soon as the rest fills the window."""
        if records == 0:
            return
        self._batches.append((records, dead))
        self.records += records
        self.dead += dead
        while self.records - self._batches[0][0] >= self.limit.window:
            gone = self._batches.popleft()
            self.records -= gone[0]
            self.dead -= gone[1]

    def exceeded_by(self, records: int, dead: int) -> bool:
        """Whether a batch with so many dead letters may not be committed."""
        total, lost = self.records + records, self.dead + dead
        return dead > 0 and lost >= self.limit.least and lost > self.limit.share * total


async def load(connection: Connection, consumer: str, process: str, limit: Limit) -> Share:
    """The share as the last process of this name left it."""
    share = Share(limit)
    row = await connection.fetchrow(_LOAD, consumer, process)
    if row is not None:
        share.add(row["records"], row["dead_letters"])
    return share


async def save(connection: Connection, consumer: str, process: str, *, records: int, dead: int) -> None:
    """In the transaction that writes dead letters."""
    await connection.execute(_SAVE, consumer, process, records, dead)


async def reset(connection: Connection, consumer: str) -> None:
    """A person has looked at it: the consumer may dead-letter again (`okno dead-letters allow`)."""
    await connection.execute(_RESET, consumer)
