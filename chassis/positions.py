"""How far a consumer has read lives beside its state and moves in the same transaction.

A position that the log can't continue from (before its start, after its end, of another cluster, behind what the group
had committed) is never repaired by guessing: the process stops, naming the hole and the command that accepts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition

from chassis.database import Connection
from chassis.errors import Fatal

_LOAD = """
SELECT p.topic, p.partition, p.next_offset, p.cluster_id, p.accepted_group_offset
FROM positions p JOIN unnest($2::text[], $3::int[]) AS a(topic, partition) USING (topic, partition)
WHERE p.consumer = $1"""

_CREATE = """
INSERT INTO positions (consumer, topic, partition, next_offset, cluster_id)
SELECT $1, topic, partition, next_offset, $5
FROM unnest($2::text[], $3::int[], $4::bigint[]) AS a(topic, partition, next_offset)
ON CONFLICT DO NOTHING"""

# Locks the rows in order, moves those that stand where the batch begins, and answers where they all stood.
_CLAIM = """
WITH asked AS (
    SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS a(topic, partition, expected, goal)
), locked AS MATERIALIZED (
    SELECT p.topic, p.partition, p.next_offset
    FROM positions p JOIN asked a USING (topic, partition)
    WHERE p.consumer = $1
    ORDER BY p.topic, p.partition
    FOR UPDATE OF p
), moved AS (
    UPDATE positions p SET next_offset = a.goal, updated_at = now()
    FROM locked l JOIN asked a USING (topic, partition)
    WHERE p.consumer = $1 AND p.topic = l.topic AND p.partition = l.partition AND l.next_offset = a.expected
)
SELECT topic, partition, next_offset FROM locked"""

_MOVE = """
UPDATE positions p SET next_offset = a.goal, updated_at = now()
FROM unnest($2::text[], $3::int[], $4::bigint[]) AS a(topic, partition, goal)
WHERE p.consumer = $1 AND p.topic = a.topic AND p.partition = a.partition"""

_ACCEPT = """
INSERT INTO positions (consumer, topic, partition, next_offset, cluster_id, accepted_group_offset)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (consumer, topic, partition) DO UPDATE
SET next_offset = excluded.next_offset, cluster_id = excluded.cluster_id,
    accepted_group_offset = excluded.accepted_group_offset, updated_at = now()"""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose positions: a consumer, and the schema in which it keeps them."""

    schema: str
    consumer: str


class PositionRefused(Fatal):
    """The stored position of a partition doesn't fit its log. The text says what a person has to decide."""

    def __init__(self, reader: Reader, partition: TopicPartition, what: str, *, accept: int) -> None:
        super().__init__(
            f"{reader.consumer} can't continue {partition.topic} partition {partition.partition}: {what}. "
            f"To go on at offset {accept} anyway, stop the consumer and run: okno positions accept "
            f"{reader.schema} {reader.consumer} {partition.topic} {partition.partition} {accept}"
        )
        self.reader = reader
        self.partition = partition
        self.accept = accept


class PositionsRefused(Fatal):
    """Several partitions are refused at once; all are told, so that one decision can serve them."""

    def __init__(self, refused: Sequence[PositionRefused]) -> None:
        super().__init__("\n".join(map(str, refused)))
        self.refused = tuple(refused)


class PositionBeforeStart(PositionRefused):
    """Records between the position and the log's start are gone: retention was shorter than the delay."""


class PositionAfterEnd(PositionRefused):
    """The log ends before the position: Kafka has lost records, or was set back to an earlier copy."""


class PositionOfOtherCluster(PositionRefused):
    """The position was stored for another Kafka cluster: its offsets mean nothing here."""


class PositionBehindGroup(PositionRefused):
    """The group has committed more than the database knows: the database was set back to an earlier copy."""


class PositionSetBack(PositionRefused):
    """The database shows less than this process has committed: it was set back while the process ran."""


class LogGap(PositionRefused):
    """A topic that isn't compacted lacks records in its middle."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of `positions`."""

    next_offset: int
    cluster_id: str
    accepted_group_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """What Kafka says of one partition: its cluster, its first and next offset, what the group committed."""

    cluster_id: str
    start: int
    end: int
    committed: int | None = None


def starting_offset(reader: Reader, partition: TopicPartition, stored: Stored | None, log: Log) -> int:
    """Where to read from; a partition without a position begins at the log's start. Raises PositionRefused."""
    accepted = -1 if stored is None or stored.accepted_group_offset is None else stored.accepted_group_offset
    position = log.start if stored is None else stored.next_offset
    if stored is not None and stored.cluster_id != log.cluster_id:
        what = f"its position {position} belongs to the Kafka cluster {stored.cluster_id}, this one is {log.cluster_id}"
        raise PositionOfOtherCluster(reader, partition, what, accept=log.start)
    if log.committed is not None and log.committed > max(position, accepted):
        here = "it has no position" if stored is None else f"its position is {position}"
        what = (
            f"{here}, but the group has committed {log.committed}: "
            f"offsets {position} to {log.committed - 1} were processed by a database that isn't this one"
        )
        raise PositionBehindGroup(reader, partition, what, accept=min(max(position, log.start), log.end))
    if position < log.start:
        what = f"offsets {position} to {log.start - 1} are gone, its log starts at {log.start}"
        raise PositionBeforeStart(reader, partition, what, accept=log.start)
    if position > log.end:
        what = f"its position is {position}, but its log ends at {log.end}"
        raise PositionAfterEnd(reader, partition, what, accept=log.end)
    return position


async def load(
    connection: Connection, consumer: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, Stored]:
    """The stored positions of those partitions that have one."""
    rows = await connection.fetch(_LOAD, consumer, *_columns(partitions))
    return {
        TopicPartition(row["topic"], row["partition"]): Stored(
            row["next_offset"], row["cluster_id"], row["accepted_group_offset"]
        )
        for row in rows
    }


async def known_topics(connection: Connection, consumer: str) -> set[str]:
    """The topics of which a consumer has positions."""
    rows = await connection.fetch("SELECT DISTINCT topic FROM positions WHERE consumer = $1", consumer)
    return {row["topic"] for row in rows}


async def create(connection: Connection, consumer: str, offsets: Mapping[TopicPartition, int], cluster_id: str) -> None:
    """Store first positions; another process may have been quicker, its rows stay."""
    topics, numbers = _columns(list(offsets))
    await connection.execute(_CREATE, consumer, topics, numbers, list(offsets.values()), cluster_id)


@dataclass(frozen=True, slots=True)
class Claim:
    """Asks to move a partition's position to `goal` if it stands at `expected`."""

    expected: int
    goal: int


async def claim(
    connection: Connection, consumer: str, claims: Mapping[TopicPartition, Claim]
) -> dict[TopicPartition, int]:
    """Lock the position rows in order and move those that stand at `expected`. Answers where each stood before."""
    topics, numbers = _columns(list(claims))
    rows = await connection.fetch(
        _CLAIM, consumer, topics, numbers, [c.expected for c in claims.values()], [c.goal for c in claims.values()]
    )
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def move(connection: Connection, consumer: str, goals: Mapping[TopicPartition, int]) -> None:
    """Move positions whose rows this transaction has locked."""
    topics, numbers = _columns(list(goals))
    await connection.execute(_MOVE, consumer, topics, numbers, list(goals.values()))


async def accept(
    connection: Connection,
    consumer: str,
    partition: TopicPartition,
    *,
    next_offset: int,
    cluster_id: str,
    group_offset: int | None,
) -> None:
    """Set a position by a person's decision (`okno positions accept`). The consumer must be stopped.

    `group_offset` is what the group has committed now: it no longer counts as a sign of a database set back.
    """
    await connection.execute(
        _ACCEPT, consumer, partition.topic, partition.partition, next_offset, cluster_id, group_offset
    )


def _columns(partitions: Sequence[TopicPartition]) -> tuple[list[str], list[int]]:
    return [tp.topic for tp in partitions], [tp.partition for tp in partitions]
