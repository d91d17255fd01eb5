"""A batch is one transaction: positions first, then the handler's changes, then the dead letters; all of it or nothing.

Three ways to handle records, chosen by what earlier attempts came to (chassis/attempts.py): all in one go; one
savepoint a record, so that the culprit is found and its neighbours are applied once; or buried without being handled.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from aiokafka import TopicPartition

from chassis import dead_letter_share, metrics, outbox, parking, positions, waits
from chassis.attempts import Attempt, Attempts
from chassis.clock import Clock
from chassis.database import Connection, Database
from chassis.dead_letter_share import Limit, Share, TooManyDeadLetters
from chassis.dead_letters import bury
from chassis.error_text import describe
from chassis.errors import Fate, cause_of, fate_of
from chassis.faults import fault_point
from chassis.fence import Verdict, judge
from chassis.logs import get_logger
from chassis.parking import Lines, Parked
from chassis.positions import Claim, LogGap, PositionSetBack, Reader
from chassis.records import Culprit, Decode, Polled, ProcessKiller, Raw, Record, decode_all

Handle: TypeAlias = Callable[[Sequence[Record], Connection], Awaitable[None]]
Compacted: TypeAlias = Callable[[str], bool]
DeadLetterLane: TypeAlias = Callable[[str, int], int]

log = get_logger("consumer")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. `positions` are stored; `seek` are partitions to be read again from an offset.

    `whole`: the handler was called once, with all of it. `overtaken`: another process has moved one of its positions
    since this one read it.
    """

    positions: Mapping[TopicPartition, int]
    seek: Mapping[TopicPartition, int]
    handled: int = 0
    dead: int = 0
    whole: bool = False
    overtaken: bool = False


@dataclass(slots=True)
class _Claimed:
    """What is left of a batch behind the fence."""

    kept: Polled = field(default_factory=dict)
    goals: dict[TopicPartition, int] = field(default_factory=dict)
    seek: dict[TopicPartition, int] = field(default_factory=dict)
    overtaken: bool = False


class UnknownPosition(Exception):
    """A partition of the batch has no stored position: it isn't this process's any more, or not yet."""


class Batches:
    """Handles batches of one consumer. Nothing of it knows Kafka."""

    def __init__(
        self,
        *,
        consumer: str,
        process: str,
        database: Database,
        handle: Handle,
        decode: Decode | None,
        compacted: Compacted,
        clock: Clock,
        limit: Limit,
        dead_letter_lane: DeadLetterLane,
        fault_prefix: str,
        park_keys: bool = False,
    ) -> None:
        self._consumer = consumer
        self._process = process
        self._database = database
        self._handle = handle
        self._decode = decode
        self._compacted = compacted
        self._clock = clock
        self._limit = limit
        self._share = Share(limit)
        self._prepared = False
        self._park_keys = park_keys
        metrics.from_zero(
            metrics.consumer_fenced, [consumer], [verdict.value for verdict in Verdict if verdict is not Verdict.GO]
        )
        self._dead_letter_lane = dead_letter_lane
        self._fault_prefix = fault_prefix
        self.attempts = Attempts(consumer, database)
        self._known: dict[TopicPartition, int] = {}
        """Positions that this process has committed. Whoever owns a partition, its position only grows."""

    async def prepare(self) -> None:
        """Read what former processes of this name left."""
        if not self._prepared:
            async with self._database.pool.acquire() as connection:
                self._share = await dead_letter_share.load(connection, self._consumer, self._process, self._limit)
                if not self._park_keys:
                    await parking.forget(connection, self._consumer)
            self._prepared = True

    async def whole(self, polled: Polled, fetched_from: Mapping[TopicPartition, int]) -> Outcome:
        """All records in one go. Raises what the handler raises; then nothing has happened."""
        begun = time.perf_counter()
        records, culprits = decode_all(polled, self._decode, self._compacted)
        async with self._database.transaction() as connection:
            claimed = await self._claim(connection, polled, fetched_from)
            records, culprits = _behind_fence(polled, claimed, records, culprits)
            lines = await self._lines(connection, claimed)
            if lines is not None:
                records, culprits = _parked(claimed, records, culprits, lines)
            if records:
                await self._handle(records, connection)
            await self._conclude(connection, claimed, culprits, lines)
        return replace(await self._committed(begun, claimed, records, culprits), whole=True)

    async def one_by_one(
        self,
        polled: Polled,
        fetched_from: Mapping[TopicPartition, int],
        attempts: Mapping[TopicPartition, Attempt],
        *,
        bury_all: bool,
    ) -> Outcome:
        """One savepoint a record: those that fail for their data are dead-lettered, with `bury_all` all that fail.

        With `bury_all` a failure has to show twice: it may come from what another transaction wrote meanwhile, and the
        second time sees that. Raises the first other error; then nothing has happened.
        """
        begun = time.perf_counter()
        records, broken = decode_all(polled, self._decode, self._compacted)
        async with self._database.transaction() as connection:
            claimed = await self._claim(connection, polled, fetched_from)
            records, broken = _behind_fence(polled, claimed, records, broken)
            lines = await self._lines(connection, claimed)
            fine: list[Record] = []
            culprits: list[Culprit] = []
            for raw, record, undecoded in _in_order(claimed, records, broken):
                culprit = undecoded
                if lines is not None:
                    lines.release(raw)
                if record is not None:
                    if lines is not None and lines.holds_up(raw):
                        culprit = Culprit(raw, Parked())
                    else:
                        number = attempts.get(TopicPartition(raw.topic, raw.partition), Attempt()).number
                        culprit = await self._alone(connection, raw, record, number, bury_all=bury_all)
                if culprit is None:
                    fine += [record] if record is not None else []
                    continue
                culprits.append(culprit)
                if lines is not None:
                    lines.add(raw)
            await self._conclude(connection, claimed, culprits, lines)
        return await self._committed(begun, claimed, fine, culprits)

    async def buried(self, raw: Raw, fetched_from: Mapping[TopicPartition, int], attempt: Attempt) -> Outcome:
        """Dead-letter a record that killed its process whenever it was in hand alone."""
        begun = time.perf_counter()
        polled = {TopicPartition(raw.topic, raw.partition): [raw]}
        culprits = [Culprit(raw, ProcessKiller(attempt.deaths_alone), attempt.number)]
        async with self._database.transaction() as connection:
            claimed = await self._claim(connection, polled, fetched_from)
            lines = await self._lines(connection, claimed)
            if not claimed.kept:
                culprits = []
            elif lines is not None:
                lines.release(raw)
                lines.add(raw)
            await self._conclude(connection, claimed, culprits, lines)
        return await self._committed(begun, claimed, [], culprits)

    # --- the parts of a transaction --------------------------------------------------------------------------------

    async def _failure(self, record: Record, connection: Connection) -> Exception | None:
        """Handle one record in a savepoint: what it failed with, undone, or None."""
        try:
            async with connection.transaction():
                await self._handle([record], connection)
        except Exception as error:  # noqa: BLE001 - the caller decides by its fate
            return error
        return None

    async def _claim(
        self, connection: Connection, polled: Polled, fetched_from: Mapping[TopicPartition, int]
    ) -> _Claimed:
        """Lock and move the positions; keep what lies behind the fence."""
        claims = {}
        for tp, raws in polled.items():
            first, origin = raws[0].offset, fetched_from.get(tp)
            gap = origin is not None and origin < first and self._compacted(tp.topic)
            claims[tp] = Claim(origin if gap and origin is not None else first, raws[-1].offset + 1)
        stood = await positions.claim(connection, self._consumer, claims)
        claimed = _Claimed()
        late: dict[TopicPartition, int] = {}
        for tp, raws in polled.items():
            if tp not in stood:
                raise UnknownPosition(f"{tp.topic} partition {tp.partition}")
            stored, goal = stood[tp], claims[tp].goal
            if stored < self._known.get(tp, stored):
                what = (
                    f"its position is {stored}, but this process has moved it to {self._known[tp]} before: "
                    f"offsets {stored} to {self._known[tp] - 1} were processed by a database that isn't this one"
                )
                raise PositionSetBack(Reader(self._database.schema, self._consumer), tp, what, accept=stored)
            verdict = judge(
                first=raws[0].offset,
                fetched_from=fetched_from.get(tp),
                stored=stored,
                compacted=self._compacted(tp.topic),
            )
            if verdict is not Verdict.GO:
                metrics.consumer_fenced.labels(self._consumer, verdict.value).inc()
                log.info(
                    "position_differs", consumer=self._consumer, topic=tp.topic, partition=tp.partition,
                    first=raws[0].offset, stored=stored, verdict=verdict.value,
                )  # fmt: skip
            if verdict is Verdict.HOLE:
                what = f"offsets {stored} to {raws[0].offset - 1} are missing in its log"
                raise LogGap(Reader(self._database.schema, self._consumer), tp, what, accept=raws[0].offset)
            claimed.overtaken |= claims[tp].expected != stored
            if verdict is Verdict.SEEK or goal <= stored:
                claimed.seek[tp] = stored
                continue
            if claims[tp].expected != stored:
                late[tp] = goal
            claimed.kept[tp] = [raw for raw in raws if raw.offset >= stored]
            claimed.goals[tp] = goal
        if late:
            await positions.move(connection, self._consumer, late)
        return claimed

    async def _alone(
        self, connection: Connection, raw: Raw, record: Record, number: int, *, bury_all: bool
    ) -> Culprit | None:
        """Handle one record by itself; the culprit that it turned out to be."""
        error = await self._failure(record, connection)
        if error is not None and bury_all and fate_of(error) is Fate.POISON:
            error = await self._failure(record, connection)
        if error is None:
            return None
        fate = fate_of(error)
        if fate is not Fate.DATA and not (bury_all and fate is Fate.POISON):
            raise error
        return Culprit(raw, error, number)

    async def _lines(self, connection: Connection, claimed: _Claimed) -> Lines | None:
        """What waits behind dead letters, for a consumer that parks. Compacted topics know no order of records."""
        if not self._park_keys:
            return None
        ordered = {tp: raws for tp, raws in claimed.kept.items() if not self._compacted(tp.topic)}
        return await parking.load(connection, self._consumer, ordered)

    async def _conclude(
        self, connection: Connection, claimed: _Claimed, culprits: Sequence[Culprit], lines: Lines | None
    ) -> None:
        """Write the dead letters and what waits behind them, forget settled attempts."""
        if lines is not None:
            await lines.write(connection)
        if culprits:
            await self._bury(connection, sum(map(len, claimed.kept.values())), culprits)
        await self.attempts.forget(connection, claimed.goals)
        await fault_point(f"{self._fault_prefix}.handled")

    async def _bury(self, connection: Connection, total: int, culprits: Sequence[Culprit]) -> None:
        dead = _failed(culprits)
        if self._share.exceeded_by(total, dead):
            causes = ", ".join(sorted({cause_of(culprit.error) for culprit in culprits}))
            raise TooManyDeadLetters(
                f"{self._consumer} would dead-letter {self._share.dead + dead} of its latest "
                f"{self._share.records + total} records (causes: {causes}). It stops, its position unmoved: mend the "
                f"cause and start it again, or run: okno dead-letters allow {self._database.schema} {self._consumer}"
            )
        at = self._clock.now()
        in_order = sorted(culprits, key=lambda culprit: (culprit.raw.topic, culprit.raw.partition, culprit.raw.offset))
        await outbox.add(
            connection,
            [
                bury(
                    culprit,
                    consumer=self._consumer,
                    at=at,
                    lane=self._dead_letter_lane(culprit.raw.topic, culprit.raw.partition),
                    parks=self._park_keys and culprit.raw.key is not None and not self._compacted(culprit.raw.topic),
                )
                for culprit in in_order
            ],
        )
        await dead_letter_share.save(
            connection,
            self._consumer,
            self._process,
            records=self._share.records + total,
            dead=self._share.dead + dead,
        )

    async def _committed(
        self, begun: float, claimed: _Claimed, records: Sequence[Record], culprits: Sequence[Culprit]
    ) -> Outcome:
        self.attempts.proven(claimed.goals)
        self._known.update(claimed.goals)
        self._share.add(len(records) + len(culprits), _failed(culprits))
        await fault_point(f"{self._fault_prefix}.committed")
        self._observe(begun, records, culprits)
        return Outcome(claimed.goals, claimed.seek, len(records), len(culprits), overtaken=claimed.overtaken)

    def _observe(self, begun: float, records: Sequence[Record], culprits: Sequence[Culprit]) -> None:
        name, took, now = self._consumer, time.perf_counter() - begun, self._clock.now()
        metrics.consumer_batch_time.labels(name).observe(took)
        waits.consumed(name, records, ended=now.timestamp(), took=took)
        if records:
            metrics.consumer_batch_size.labels(name).observe(len(records) + len(culprits))
            metrics.consumer_records.labels(name, "handled").inc(len(records))
            oldest = next((record.envelope for record in records if record.envelope is not None), None)
            if oldest is not None:
                age = (now - oldest.time).total_seconds()
                metrics.consumer_event_age.labels(name).observe(max(0.0, age))
        for culprit in culprits:
            cause = cause_of(culprit.error)
            metrics.dead_letters.labels(name, cause).inc()
            metrics.consumer_records.labels(name, "dead_lettered").inc()
            log.error(
                "dead_lettered", consumer=name, topic=culprit.raw.topic, partition=culprit.raw.partition,
                offset=culprit.raw.offset, cause=cause, error=describe(culprit.error), attempts=culprit.attempts,
                event_id=_header(culprit.raw, "ce_id"), traceparent=_header(culprit.raw, "traceparent"),
            )  # fmt: skip


def _behind_fence(
    polled: Polled, claimed: _Claimed, records: list[Record], culprits: list[Culprit]
) -> tuple[list[Record], list[Culprit]]:
    """Leave out what the fence left out; usually nothing."""
    if all(len(claimed.kept.get(tp, ())) == len(raws) for tp, raws in polled.items()):
        return records, culprits
    first = {(tp.topic, tp.partition): raws[0].offset for tp, raws in claimed.kept.items()}

    def kept(one: Record | Raw) -> bool:
        begin = first.get((one.topic, one.partition))
        return begin is not None and one.offset >= begin

    return list(filter(kept, records)), [culprit for culprit in culprits if kept(culprit.raw)]


def _in_order(
    claimed: _Claimed, records: Sequence[Record], broken: Sequence[Culprit]
) -> Iterator[tuple[Raw, Record | None, Culprit | None]]:
    """Each record as it was read, with what it decodes to or why it doesn't; neither for one that only tells."""
    decoded = {(one.topic, one.partition, one.offset): one for one in records}
    failed = {(one.raw.topic, one.raw.partition, one.raw.offset): one for one in broken}
    for raws in claimed.kept.values():
        for raw in raws:
            place = (raw.topic, raw.partition, raw.offset)
            yield raw, decoded.get(place), failed.get(place)


def _parked(
    claimed: _Claimed, records: Sequence[Record], broken: Sequence[Culprit], lines: Lines
) -> tuple[list[Record], list[Culprit]]:
    """What is handled and what is put aside, record by record, when all that decodes can be handled."""
    fine: list[Record] = []
    culprits: list[Culprit] = []
    for raw, record, culprit in _in_order(claimed, records, broken):
        lines.release(raw)
        if record is not None and not lines.holds_up(raw):
            fine.append(record)
        elif record is not None or culprit is not None:
            culprits.append(culprit or Culprit(raw, Parked()))
            lines.add(raw)
    return fine, culprits


def _failed(culprits: Sequence[Culprit]) -> int:
    """How many of them something is wrong with."""
    return sum(not isinstance(culprit.error, Parked) for culprit in culprits)


def _header(raw: Raw, name: str) -> str | None:
    found = next((value for key, value in raw.headers if key == name), None)
    return None if found is None else found.decode(errors="replace")[:256]
