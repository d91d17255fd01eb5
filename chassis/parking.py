"""Behind a dead letter the later records of its key wait, as dead letters with the cause `parked`, in their order.

Invariant: of a consumer that parks, no record is handled while an earlier one of its topic and key waits, unless a
person forced it. What waits is written in the transaction that writes the dead letter and read in the one that handles
the next batch; both hold the partition's position, so nobody else decides about that key meanwhile.

That a letter was replayed or discarded is told on the topic itself, with the key: by the header RELEASE of the record
that comes again, or of a record without a value. So it has its place in the partition's order like everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chassis.database import Connection
from chassis.dead_letters import FORCE, DeadLetter, first_offset, header_of, released
from chassis.errors import Poison
from chassis.records import Polled, Raw

_LOAD = """
SELECT topic, key, partition, record_offset, first_offset FROM parked_records
WHERE consumer = $1 AND key = ANY($2::bytea[])"""
_ADD = """
INSERT INTO parked_records (consumer, topic, partition, record_offset, key, first_offset)
SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bigint[])
ON CONFLICT DO NOTHING"""
_RELEASE = """
DELETE FROM parked_records p USING unnest($2::text[], $3::int[], $4::bigint[]) AS r(topic, partition, record_offset)
WHERE p.consumer = $1 AND p.topic = r.topic AND p.partition = r.partition AND p.record_offset = r.record_offset"""
_FORGET = "DELETE FROM parked_records WHERE consumer = $1 AND ($2::bytea IS NULL OR key = $2)"

_HELD = "SELECT topic, count(*) AS records FROM parked_records WHERE consumer = $1 GROUP BY topic ORDER BY topic"

Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Parked(Poison):
    """Nothing is wrong with the record itself."""

    def __init__(self) -> None:
        super().__init__("parked", "an earlier record of its key waits as a dead letter")


@dataclass(slots=True)
class Lines:
    """The lines behind dead letters, of the keys of one batch; changed record by record, written at its end."""

    consumer: str
    topics: frozenset[str]
    """Topics whose records have an order."""
    waiting: dict[tuple[str, bytes], dict[Place, int]] = field(default_factory=dict)
    """By topic and key: the letters that wait, with their places in the line."""
    added: dict[Place, tuple[bytes, int]] = field(default_factory=dict)
    """Letters that are new: key, and place in the line."""
    _gone: set[Place] = field(default_factory=set)

    def release(self, raw: Raw) -> None:
        """The letter that this record tells of waits no longer."""
        found = released(raw.headers, self.consumer)
        if found is None or raw.key is None or raw.topic not in self.topics:
            return
        place = (raw.topic, *found)
        self.waiting.get((raw.topic, raw.key), {}).pop(place, None)
        self.added.pop(place, None)
        self._gone.add(place)

    def holds_up(self, raw: Raw) -> bool:
        """Whether an earlier record of the key waits."""
        if raw.key is None:
            return False
        line = self.waiting.get((raw.topic, raw.key))
        if not line or (released(raw.headers, self.consumer) is not None and header_of(raw.headers, FORCE)):
            return False
        return min(line.values()) < first_offset(raw.headers, self.consumer, raw.offset)

    def add(self, raw: Raw) -> None:
        """A record is put aside."""
        if raw.key is None or raw.topic not in self.topics:
            return
        place, first = (raw.topic, raw.partition, raw.offset), first_offset(raw.headers, self.consumer, raw.offset)
        self.waiting.setdefault((raw.topic, raw.key), {})[place] = first
        self.added[place] = (raw.key, first)

    async def write(self, connection: Connection) -> None:
        """In the batch's transaction."""
        if self._gone:
            places = sorted(self._gone)
            await connection.execute(_RELEASE, self.consumer, *map(list, zip(*places, strict=True)))
        if self.added:
            rows = [(*place, *added) for place, added in sorted(self.added.items())]
            await connection.execute(_ADD, self.consumer, *map(list, zip(*rows, strict=True)))


async def load(connection: Connection, consumer: str, polled: Polled) -> Lines:
    """The lines that concern these records. The caller holds their partitions' positions."""
    lines = Lines(consumer, frozenset(tp.topic for tp in polled))
    keys = {raw.key for raws in polled.values() for raw in raws if raw.key is not None}
    if keys:
        for row in await connection.fetch(_LOAD, consumer, list(keys)):
            line = lines.waiting.setdefault((row["topic"], row["key"]), {})
            line[row["topic"], row["partition"], row["record_offset"]] = row["first_offset"]
    return lines


# --- restoring --------------------------------------------------------------------------------------------------------


async def put_back(connection: Connection, consumer: str, letters: Iterable[DeadLetter]) -> None:
    """Letters, by whom they were written, hold up their keys again, where their consumer parked them."""
    lines = Lines(consumer, frozenset())
    for one in letters:
        if one.parks and one.key is not None:
            place = (one.origin_topic, one.origin_partition, one.origin_offset)
            lines.added[place] = (one.key, one.first_offset)
    await lines.write(connection)


async def release_told(connection: Connection, consumer: str, raws: Sequence[Raw]) -> None:
    """What records that aren't handled tell of letters: those wait no longer."""
    lines = Lines(consumer, frozenset(raw.topic for raw in raws))
    for raw in raws:
        lines.release(raw)
    await lines.write(connection)


async def held(connection: Connection, consumer: str) -> dict[str, int]:
    """By topic, how many letters hold up what comes after them."""
    return {row["topic"]: row["records"] for row in await connection.fetch(_HELD, consumer)}


async def forget(connection: Connection, consumer: str, key: bytes | None = None) -> int:
    """Let a key, or all, go on whatever waits; how many letters no longer hold anything up."""
    status = await connection.execute(_FORGET, consumer, key)
    return int(status.rpartition(" ")[2])
