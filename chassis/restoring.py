"""What `okno restore` needs of every service: the log as it is, read to its end without a group, and who still runs.

A consumer whose database was set back refuses to go on, because its group has committed more than its position says
(chassis/positions.py). It goes on once its service has folded the log and, in the same transaction, accepted that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from chassis import parking, positions
from chassis.database import BY_KEY, Connection, session_settings
from chassis.dead_letters import DeadLetter, parse
from chassis.errors import Fatal
from chassis.kafka import cluster_id, connection_options, make_consumer
from chassis.positions import Log, PositionAfterEnd, PositionOfOtherCluster, Stored
from chassis.records import Raw
from chassis.settings import KafkaSettings
from contracts.topics import TOPICS, dead_topic, original_topic

SILENCE_SECONDS = 60.0
"""So long Kafka may give nothing of what it says that it has."""
BATCH_RECORDS = 1000
PROCESS = "okno-restore"
LEAVE_SECONDS = 15.0
"""Static members stay in their group for the session's time after their process has stopped."""

Tell = Callable[[str], None]
"""Shows progress: one sentence."""


class RestoreRefused(Fatal):
    """Restoring can't begin. The text says what stands in the way, and what to do."""


@dataclass(slots=True)
class Recovery:
    """What became of one service: what was brought forward, what couldn't be, and what it does when it starts.

    One sentence each.
    """

    recovered: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    to_come: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a consumer stands in one partition: `begin` is its position, or the log's start where that is later."""

    stored: Stored | None
    log: Log

    @property
    def begin(self) -> int:
        return self.log.start if self.stored is None else max(self.stored.next_offset, self.log.start)

    @property
    def expired(self) -> int:
        """How many records between position and log's start are gone."""
        return 0 if self.stored is None else max(0, self.log.start - self.stored.next_offset)

    @property
    def committed(self) -> int:
        """What the group has committed; `begin` where it has committed less."""
        return max(self.begin, self.log.committed or 0)

    @property
    def behind(self) -> bool:
        """Whether the group may have read more than the database knows; of what has expired nobody can tell."""
        return bool(self.expired) or self.committed > self.begin


class LogReader:
    """Reads topics as they are now. Nobody's positions and no group's offsets move."""

    def __init__(self, settings: KafkaSettings, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._consumer = consumer

    async def logs(self, topics: Iterable[str], *, group: str | None = None) -> dict[TopicPartition, Log]:
        """First and next offset of each partition, and what the group has committed. Raises KafkaError."""
        partitions = [TopicPartition(name, number) for name in topics for number in range(_partitions(name))]
        self._consumer.assign(partitions)  # else the questions would first wait for metadata
        self._consumer.pause(*partitions)
        cluster = await cluster_id(self._settings)
        starts = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        committed = {} if group is None else await group_offsets(self._settings, group, partitions)
        return {tp: Log(cluster, starts[tp], ends[tp], committed.get(tp)) for tp in partitions}

    async def read(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> AsyncIterator[Sequence[Raw]]:
        """The records from each begin to before each end, in batches; partition after partition, each in order.

        Raises RestoreRefused when Kafka falls silent.
        """
        for tp, (begin, end) in sorted(ranges.items()):
            if begin >= end:
                continue
            self._consumer.assign([tp])
            self._consumer.seek(tp, begin)
            silent = 0.0
            while (at := await self._consumer.position(tp)) < end:
                polled = await self._consumer.getmany(tp, timeout_ms=1000, max_records=BATCH_RECORDS)
                records = [one for one in polled.get(tp, []) if one.offset < end]
                if records:
                    yield records
                    silent = 0.0
                    continue
                silent += 1.0
                if silent > SILENCE_SECONDS:
                    what = f"Kafka gives nothing of {tp.topic} partition {tp.partition} from {at} on"
                    raise RestoreRefused(f"{what}, though it ends at {end}. Nothing was changed; run it again.")


@asynccontextmanager
async def session(dsn: str, schema: str) -> AsyncIterator[Connection]:
    """A connection whose transactions may be as long as the log."""
    endless = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    connection = await asyncpg.connect(dsn, server_settings={**session_settings(schema, PROCESS), **BY_KEY, **endless})
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def transaction(dsn: str, schema: str) -> AsyncIterator[Connection]:
    """One transaction for all of a service, however long: killed in between, it has changed nothing."""
    async with session(dsn, schema) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def reading(settings: KafkaSettings) -> AsyncIterator[LogReader]:
    """Connected while the block runs. Raises KafkaError."""
    consumer = make_consumer(settings, group=None, instance=None)
    await consumer.start()
    try:
        yield LogReader(settings, consumer)
    finally:
        await consumer.stop()


async def places(
    connection: Connection, schema: str, consumer: str, logs: Mapping[TopicPartition, Log]
) -> dict[TopicPartition, Place]:
    """Where a consumer stands; its position rows stay locked. Raises RestoreRefused where Kafka itself was set back."""
    await connection.execute("SELECT FROM positions WHERE consumer = $1 ORDER BY topic, partition FOR UPDATE", consumer)
    stored = await positions.load(connection, consumer, list(logs))
    found = {tp: Place(stored.get(tp), log) for tp, log in logs.items()}
    reader = positions.Reader(schema, consumer)
    for tp, place in found.items():
        try:
            positions.starting_offset(reader, tp, place.stored, place.log)
        except (PositionAfterEnd, PositionOfOtherCluster) as refused:
            text = "This is about Kafka, not about the database: the log can't bring it forward."
            raise RestoreRefused(f"{refused}\n{text}") from refused
        except positions.PositionRefused:
            pass  # what restoring is for
    return found


async def settle(
    connection: Connection,
    consumer: str,
    found: Mapping[TopicPartition, Place],
    next_offsets: Mapping[TopicPartition, int] | None = None,
) -> None:
    """The consumer may go on: at `next_offsets`, elsewhere where it stands.

    What its group has committed no longer tells of a database set back.
    """
    for tp, place in found.items():
        goal = max(place.begin, (next_offsets or {}).get(tp, 0))
        committed = place.log.committed
        if place.stored is None and committed is None and goal == place.log.start:
            continue
        await positions.accept(
            connection,
            consumer,
            tp,
            next_offset=goal,
            cluster_id=place.log.cluster_id,
            group_offset=committed,
        )


async def letters_since(
    log: LogReader, consumer: str, found: Mapping[TopicPartition, Place]
) -> dict[TopicPartition, dict[int, DeadLetter]]:
    """By the offsets of their records: dead letters that a consumer wrote after the state that its database has.

    These records had no effect; a replayed one comes again, as a record of its own. Offsets come again too, when a
    topic is made anew: a letter whose record isn't the one at its offset is left out.
    """
    since: dict[TopicPartition, dict[int, list[DeadLetter]]] = {tp: {} for tp in found}
    logs = await log.logs(sorted({dead_topic(tp.topic) for tp in found}))
    async for raws in log.read({tp: (one.start, one.end) for tp, one in logs.items()}):
        for raw in raws:
            letter = parse(raw.topic, raw.partition, raw.offset, raw.key, raw.value, raw.headers)
            tp = TopicPartition(letter.origin_topic, letter.origin_partition)
            if letter.consumer != consumer or tp not in found:
                continue
            if found[tp].begin <= letter.origin_offset < found[tp].log.end:
                since[tp].setdefault(letter.origin_offset, []).append(letter)
    spans = {tp: (min(letters), max(letters) + 1) for tp, letters in since.items() if letters}
    async for raws in log.read(spans):
        letters = since[TopicPartition(raws[0].topic, raws[0].partition)]
        for raw in raws:
            if raw.offset in letters:
                letters[raw.offset] = [one for one in letters[raw.offset] if one.timestamp in (-1, raw.timestamp)]
    return {tp: {at: ones[-1] for at, ones in letters.items() if ones} for tp, letters in since.items()}


async def held_up(connection: Connection, consumer: str) -> list[str]:
    """Which letters hold up their keys, in sentences."""
    held = await parking.held(connection, consumer)
    return [
        f"{number} records of {topic} wait as dead letters and hold up the later ones of their keys (PARK_KEYS)"
        for topic, number in held.items()
    ]


def expired(consumer: str, found: Mapping[TopicPartition, Place]) -> list[str]:
    """What retention took before it was read again."""
    gone: dict[str, int] = {}
    for tp, place in found.items():
        if place.expired and not TOPICS[original_topic(tp.topic)].compacted:
            gone[tp.topic] = gone.get(tp.topic, 0) + place.expired
    return [
        f"{number} records of {topic} that {consumer} had not read are past retention" for topic, number in gone.items()
    ]


# --- who still runs ---------------------------------------------------------------------------------------------------


async def group_offsets(
    settings: KafkaSettings, group: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """What a group has committed, as far as it has. Raises KafkaError."""
    async with _admin(settings) as admin:
        found = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    return {tp: int(one.offset) for tp, one in found.items() if one.offset >= 0}


async def members(settings: KafkaSettings, groups: Iterable[str]) -> list[str]:
    """Who is in these groups now: `router-0 (group router)`. Raises KafkaError."""
    found: list[str] = []
    async with _admin(settings) as admin:
        for group in groups:
            node = await admin.find_coordinator(group)
            (answer,) = await admin.describe_consumer_groups([group], node)  # the client misreads answers about several
            for code, _, _, _, _, present, *_ in answer.groups:
                if code:
                    raise for_code(code)
                # A static member's id is its process's name and a UUID.
                found += [f"{member[0].rsplit('-', 5)[0] or member[0]} (group {group})" for member in present]
    return sorted(found)


_SESSIONS = """
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND application_name ~ $1"""


async def sessions(connection: Connection, kinds: Iterable[str]) -> list[str]:
    """Processes of these kinds that are connected to this database, by their names."""
    pattern = f"(^|[^a-z])({'|'.join(kinds)})([^a-z]|$)"
    return [f"{row[0]} (connected to PostgreSQL)" for row in await connection.fetch(_SESSIONS, pattern)]


async def wait_until_stopped(running: Callable[[], Any], tell: Tell) -> None:
    """Raises RestoreRefused naming who still runs after the time that a stopped member stays in its group."""
    waited = 0.0
    while found := await running():
        if waited >= LEAVE_SECONDS:
            raise RestoreRefused(f"Stop Okno's processes first. Still there: {', '.join(found)}.")
        if not waited:
            tell(f"waiting until they have left: {', '.join(found)}")
        await asyncio.sleep(1.0)
        waited += 1.0


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection_options(settings), request_timeout_ms=10_000)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def _partitions(topic: str) -> int:
    return TOPICS[original_topic(topic)].partitions
