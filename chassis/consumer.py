"""The one loop by which a service consumes: state and position move together, whatever happens to the process.

    consumer = Consumer(name="router", topics=["chat.events.v1"], database=database, kafka=settings,
                        handle=handle, process="router-0", after_commit=publish)
    process.spawn("consumer", consumer.run(), stop=consumer.stop)

Each turn takes what is there, hands it to `handle(records, connection)` inside a transaction that has locked and moved
the positions (chassis/batches.py), and goes on. The database alone says where to read: a lost callback, a stopped
process that comes back, a failed batch or a doubtful commit only lead to reading again from the stored position.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from chassis import metrics, positions
from chassis.assignment import Listener, checked_positions
from chassis.backoff import Backoff
from chassis.batches import Batches, Handle, Outcome, UnknownPosition
from chassis.clock import Clock, SystemClock
from chassis.database import Database
from chassis.dead_letter_share import Limit
from chassis.error_text import describe
from chassis.errors import Fate, Transient, cause_of, fate_of
from chassis.faults import fault_point
from chassis.group_offsets import GroupOffsets
from chassis.handling import Handling
from chassis.kafka import FETCH_WAIT_MS, make_consumer, stop_consumer
from chassis.logs import get_logger
from chassis.polling import TURN_SECONDS, Poller
from chassis.records import Decode, Polled, Record, is_compacted
from chassis.settings import KafkaSettings
from contracts.codec import decode as decode_record

__all__ = ["Consumer", "Handle", "Record"]

STOP_SECONDS = 5.0
REBALANCE_PAUSE = 0.05

log = get_logger("consumer")


class Consumer:
    """A consumer group's member. `name` is the group and the key of its positions, `process` the static membership.

    `after_commit` runs after each commit with its outcome, before the next batch. After a failure, when the last commit
    or what followed it is in doubt, it runs with None: it must bear repetition. So it does when another process has
    committed what this one was to do: that may have died before its own `after_commit`.
    `on_assigned` runs before the first batch of an assignment. `decode` None hands on raw records, undecoded.
    `park_keys`: behind a dead letter the later records of its key are put aside too (chassis/parking.py).
    Records of `unhurried` topics wait a little for others to share a transaction with.
    """

    def __init__(
        self,
        *,
        name: str,
        topics: Sequence[str],
        database: Database,
        kafka: KafkaSettings,
        handle: Handle,
        process: str,
        after_commit: Callable[[Outcome | None], Awaitable[None]] | None = None,
        on_assigned: Callable[[frozenset[tuple[str, int]]], Awaitable[None]] | None = None,
        max_records: int = 500,
        unhurried: Collection[str] = (),
        fetch_wait_ms: int = FETCH_WAIT_MS,
        fault_prefix: str | None = None,
        decode: Decode | None = decode_record,
        compacted: Callable[[str], bool] = is_compacted,
        dead_letter_lane: Callable[[str, int], int] = lambda _topic, _partition: 0,
        dead_letter_limit: Limit | None = None,
        park_keys: bool = False,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self._topics = list(topics)
        self._database = database
        self._settings = kafka
        self._process = process
        self._after_commit = after_commit
        self._on_assigned = on_assigned
        self._max_records = max_records
        self._unhurried = frozenset(unhurried)
        self._fetch_wait_ms = fetch_wait_ms
        self._fault_prefix = fault_prefix or name
        self._backoff = backoff or Backoff()
        self._clock = clock or SystemClock()
        self._batches = Batches(
            consumer=name,
            process=process,
            database=database,
            handle=handle,
            decode=decode,
            compacted=compacted,
            clock=self._clock,
            limit=dead_letter_limit or Limit(),
            dead_letter_lane=dead_letter_lane,
            fault_prefix=self._fault_prefix,
            park_keys=park_keys,
        )
        self._handling = Handling(self._batches)
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._last_turn = self._clock.monotonic()
        self._assigned: frozenset[TopicPartition] | None = None
        """What Kafka assigned and the loop hasn't taken on yet."""
        self._owned: frozenset[TopicPartition] | None = None
        """What this process reads; None before the first assignment and between two."""
        self._next: dict[TopicPartition, int] = {}
        """The offset from which each partition's next records are fetched."""
        self._seek_all = False
        """Something failed: read again from the stored positions."""
        self._commit_pending = False
        """`after_commit` is due, or may be."""
        self._untold: dict[TopicPartition, int] = {}
        """Stored, by this or another process, and not told to the group yet: what follows a commit comes first."""
        self._poller: Poller
        self._group_offsets: GroupOffsets | None = None
        self._committing: asyncio.Task[None] | None = None
        self._oldest_in_hand: int | None = None
        """Time of the oldest record that was taken and isn't processed, in milliseconds since 1970."""
        metrics.consumer_oldest_age.labels(name).set_function(self._oldest_age)

    # --- what the owner sees ---------------------------------------------------------------------------------------

    @property
    def partitions(self) -> set[tuple[str, int]]:
        """What this process reads now."""
        return {(tp.topic, tp.partition) for tp in self._owned or ()}

    def ready(self) -> bool:
        """An assignment is taken on; it may be empty."""
        return self._owned is not None

    def last_turn_age(self) -> float:
        """Seconds since the loop last turned. It turns at least once a second, but for a handler that takes longer."""
        return self._clock.monotonic() - self._last_turn

    def stop(self) -> None:
        """Finish and commit the batch in hand, then end `run`. The membership is kept for a successor."""
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Consume until `stop`. Raises what only a person or a restart can mend."""
        consumer = await self._join()
        if consumer is None:
            return
        offsets = self._group_offsets = GroupOffsets(consumer, self.name)
        committing = self._committing = asyncio.create_task(offsets.run(), name=f"{self.name}-group-offsets")
        try:
            await self._loop(consumer)
        except BaseException:
            await self._withdraw_attempts()
            raise
        finally:
            committing.cancel()
            await asyncio.wait({committing})
            await offsets.last()
            await self._part(consumer)

    # --- joining and parting ---------------------------------------------------------------------------------------

    async def _join(self) -> AIOKafkaConsumer | None:
        """Start a member; None when stopped meanwhile. Kafka may be away for a while.

        A static member that comes back gets the partitions that it had, even if it reads other topics by now. Then it
        has to leave for good once, so that the group shares all topics anew.
        """
        failures, since, shared = 0, self._clock.monotonic(), False
        while not self._stopping.is_set():
            consumer = make_consumer(
                self._settings, group=self.name, instance=self._process, fetch_wait_ms=self._fetch_wait_ms
            )
            consumer.subscribe(
                self._topics, listener=Listener(consumer, assigned=self._on_assignment, revoked=self._on_revocation)
            )
            self._poller = Poller(consumer, self._max_records, self._unhurried)
            starting = asyncio.create_task(consumer.start())
            stopping = asyncio.create_task(self._stopping.wait())
            while not (starting.done() or stopping.done()):
                self._turned()
                await asyncio.wait({starting, stopping}, timeout=TURN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not starting.done():
                starting.cancel()
                await asyncio.wait({starting})
                await self._part(consumer)
                return None
            error = starting.exception()
            if error is None:
                if shared or not await self._reads_new_topics():
                    return consumer
                shared = True
                log.info("group_left_for_new_topics", consumer=self.name, topics=self._topics)
                await self._part(consumer, for_good=True)
                continue
            # An assignment with a topic that isn't read any more breaks aiokafka's coordination.
            await self._part(consumer, for_good=isinstance(error, KafkaError) and not error.retriable)
            failures += 1
            pause = self._backoff.pause(failures, self._clock.monotonic() - since)
            log.warning("consumer_not_started", consumer=self.name, error=describe(error), failures=failures)
            if pause is None or not isinstance(error, KafkaError | OSError | TimeoutError):
                raise error
            await self._rest(pause)
        return None

    async def _reads_new_topics(self) -> bool:
        """Whether earlier versions of this consumer have read, but not all of today's topics."""
        async with self._database.pool.acquire() as connection:
            known = await positions.known_topics(connection, self.name)
        return bool(known) and not known.issuperset(self._topics)

    async def _part(self, consumer: AIOKafkaConsumer, *, for_good: bool = False) -> None:
        """Disconnect. A static member doesn't leave its group: its successor gets the same partitions at once.

        `for_good` does leave it.
        """
        self._owned = self._assigned = None
        await self._poller.close()
        try:
            await stop_consumer(consumer, seconds=STOP_SECONDS, leave=for_good)
        except (TimeoutError, KafkaError) as error:
            log.info("consumer_left_untidily", consumer=self.name, error=describe(error))

    def _on_revocation(self) -> None:
        self._owned = None
        self._oldest_in_hand = None
        self._untold.clear()
        if self._group_offsets is not None:
            self._group_offsets.revoked()

    def _on_assignment(self, assigned: frozenset[TopicPartition]) -> None:
        self._assigned = assigned
        self._owned = None
        self._woken.set()
        metrics.consumer_rebalances.labels(self.name).inc()

    # --- the loop --------------------------------------------------------------------------------------------------

    async def _loop(self, consumer: AIOKafkaConsumer) -> None:
        failures, since = 0, 0.0
        while not self._stopping.is_set():
            try:
                await self._turn(consumer)
            except (NoOffsetForPartitionError, UnknownPosition, IllegalStateError):
                # A rebalance came in between; its listener has stopped all fetching, or will.
                self._seek_all = True
                await self._rest(REBALANCE_PAUSE)
            except Exception as error:
                pause = None
                if self._retryable(error):
                    now = self._clock.monotonic()
                    failures, since = failures + 1, since if failures else now
                    pause = self._backoff.pause(failures, now - since)
                if pause is None:
                    log.error(  # noqa: TRY400 - whoever runs this logs the error itself
                        "consumer_gives_up", consumer=self.name, cause=cause_of(error), error=describe(error),
                        failures=failures,
                    )  # fmt: skip
                    raise
                metrics.consumer_retries.labels(self.name, cause_of(error)).inc()
                log.warning(
                    "batch_failed", consumer=self.name, cause=cause_of(error), error=describe(error),
                    fate=fate_of(error).value, failures=failures,
                )  # fmt: skip
                self._seek_all = True
                self._commit_pending = True  # the commit itself may have failed halfway
                if isinstance(error, OffsetOutOfRangeError):
                    self._assigned = self._owned  # look for the hole and name it
                await self._rest(pause)
            else:
                failures = 0

    def _retryable(self, error: Exception) -> bool:
        """Poison is: its attempts are counted, and end in a dead letter."""
        return fate_of(error) is not Fate.FATAL or isinstance(error, OffsetOutOfRangeError)

    async def _turn(self, consumer: AIOKafkaConsumer) -> None:
        self._turned()
        self._woken.clear()
        if self._committing is not None and self._committing.done():
            self._committing.result()
        if self._assigned is not None:
            await self._take_on(consumer)
        elif self._seek_all:
            await self._seek_back(consumer)
        if self._commit_pending:
            await self._follow_up(None)
        polled = await self._fetch()
        if polled:
            await self._process_batch(consumer, polled)

    async def _fetch(self) -> Polled:
        """What is there, or nothing when it is time to look around."""
        if not await self._poller.wait(self._woken) or self._assigned is not None:
            return {}
        polled = self._poller.take()
        return polled if self._owned is not None else {}

    async def _take_on(self, consumer: AIOKafkaConsumer) -> None:
        """Check and seek the positions of a new assignment, then let fetching begin."""
        assigned = self._assigned
        if assigned is None:
            return
        await self._batches.prepare()
        start = await checked_positions(consumer, self._database, self._settings, name=self.name, partitions=assigned)
        if self._on_assigned is not None:
            await self._on_assigned(frozenset((tp.topic, tp.partition) for tp in assigned))
        if self._assigned is not assigned:
            return  # another one came meanwhile
        self._batches.attempts.assigned(assigned)
        self._seek(consumer, start)
        self._next = dict(start)
        consumer.resume(*assigned)
        self._assigned, self._owned, self._seek_all = None, assigned, False
        if self._group_offsets is not None:
            self._group_offsets.assigned(start)
        log.info("assigned", consumer=self.name, partitions=[f"{tp.topic}/{tp.partition}" for tp in sorted(assigned)])

    async def _seek_back(self, consumer: AIOKafkaConsumer) -> None:
        """Read again from the stored positions."""
        owned = self._owned
        if owned is None:
            self._seek_all = False  # the next assignment seeks
            return
        async with self._database.pool.acquire() as connection:
            stored = await positions.load(connection, self.name, list(owned))
        if self._owned is not owned:
            return
        if len(stored) < len(owned):
            raise Transient("positions are missing")
        self._seek(consumer, {tp: one.next_offset for tp, one in stored.items()})
        self._seek_all = False
        self._oldest_in_hand = None  # what wasn't processed is taken again

    def _seek(self, consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            consumer.seek(tp, offset)
            self._next[tp] = offset
        self._poller.sought()

    # --- a batch ---------------------------------------------------------------------------------------------------

    async def _process_batch(self, consumer: AIOKafkaConsumer, polled: Polled) -> None:
        owned = self._owned or frozenset()
        fetched_from = {tp: self._next[tp] for tp in polled if tp in self._next}
        polled = {tp: raws for tp, raws in polled.items() if raws and tp in owned}
        for tp, raws in polled.items():
            self._next[tp] = raws[-1].offset + 1
        if not polled:
            return
        self._oldest_in_hand = min(raws[0].timestamp for raws in polled.values())
        await fault_point(f"{self._fault_prefix}.polled")
        async with aclosing(self._handling.outcomes(polled, fetched_from)) as outcomes:
            async for outcome in outcomes:
                await self._settle(consumer, outcome)
                self._turned()
                if self._stopping.is_set():
                    break
        self._oldest_in_hand = None

    async def _settle(self, consumer: AIOKafkaConsumer, outcome: Outcome) -> None:
        """After the commit: read again where the fence said so, tell Kafka, do what follows a commit."""
        if outcome.seek and self._owned is not None:
            stored = {tp: offset for tp, offset in outcome.seek.items() if tp in self._owned}
            self._seek(consumer, stored)
            self._untold.update(stored)
        self._untold.update(outcome.positions)
        self._commit_pending = True
        await self._follow_up(None if outcome.overtaken else outcome)
        await fault_point(f"{self._fault_prefix}.settled")

    async def _follow_up(self, outcome: Outcome | None) -> None:
        if self._after_commit is not None:
            await self._after_commit(outcome)
        self._commit_pending = False
        if self._group_offsets is not None:
            self._group_offsets.stored(self._untold)
        self._untold.clear()

    # --- small things ----------------------------------------------------------------------------------------------

    def _oldest_age(self) -> float:
        oldest = self._oldest_in_hand
        return 0.0 if oldest is None else max(0.0, self._clock.now().timestamp() - oldest / 1000)

    def _turned(self) -> None:
        self._last_turn = self._clock.monotonic()

    async def _rest(self, seconds: float) -> None:
        """Wait, but not for a stop."""
        self._turned()
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
        self._turned()

    async def _withdraw_attempts(self) -> None:
        """The process ends alive: what it had begun must not count as its death."""
        try:
            async with asyncio.timeout(2):
                await self._batches.attempts.withdraw()
        except Exception as error:  # noqa: BLE001 - best effort; the end itself has a better error to tell
            log.info("attempts_not_withdrawn", consumer=self.name, error=describe(error))
