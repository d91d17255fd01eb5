"""Every outbox row reaches Kafka at least once, first appearances in the order of `id`, and is deleted only after that.

One relay at a time serves a set of lanes, by a lease; a holder that overslept repeats rows at worst. It takes what is
there and deletes exactly what it published: a row that became visible late, with a lower id, is neither lost nor
deleted unread. A turn is one statement: prove the lease, delete what the last turn published, read what is next.

Without a lease (`lease=None`) the caller is the only one for its lanes by other means: in the router, the owner of a
partition publishes the rows of its own lane right after each commit, from memory (`publish_written`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from chassis import leases, metrics, waits
from chassis.backoff import Backoff
from chassis.clock import Clock, SystemClock
from chassis.database import Database
from chassis.error_text import describe
from chassis.errors import Fate, cause_of, fate_of
from chassis.faults import fault_point
from chassis.kafka import Publisher
from chassis.logs import get_logger
from chassis.outbox import OutboxRow, unpack_headers
from chassis.records import Header

_BATCH_BYTES = 8 * 1024 * 1024

_CHECKED = (
    "SELECT 1 FROM leases, quick WHERE name = $4 AND token = $5 AND expires_at > clock_timestamp() AND $6::float8 > 0"
)
_RENEWED = (
    "UPDATE leases SET expires_at = clock_timestamp() + $6 * interval '1 second' FROM quick "
    "WHERE name = $4 AND token = $5 AND expires_at > clock_timestamp() RETURNING 1"
)
_FREE = "SELECT 1 FROM quick WHERE $4::text IS NULL AND $5::bigint IS NULL AND $6::float8 > 0"

# $1 ids to delete, $2 lanes or null, $3 limit. No row at all: the lease is lost; one row of nulls: nothing waits.
# A crash of the server may undo the latest deletions, which repeats rows: no reason to wait for its disk.
_TURN = """
WITH quick AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), lease AS MATERIALIZED ({lease}), gone AS (
    DELETE FROM outbox WHERE id = ANY($1::bigint[]) AND EXISTS (SELECT FROM lease)
), waiting AS (
    SELECT id, topic, key, headers, payload, created_at, sum(size) OVER (ORDER BY id) - size AS before
    FROM (
        SELECT o.*, coalesce(octet_length(o.payload), 0) AS size FROM outbox o
        WHERE ($2::int[] IS NULL OR o.lane = ANY($2)) AND o.id NOT IN (SELECT unnest($1::bigint[]))
        ORDER BY o.id LIMIT $3
    ) AS next
)
SELECT w.id, w.topic, w.key, w.headers, w.payload, extract(epoch FROM clock_timestamp() - w.created_at)::float8 AS age
FROM lease LEFT JOIN waiting w ON w.before < {bytes}
ORDER BY w.id"""


_WAITING = """
SELECT count(*) AS rows, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS age
FROM outbox"""


def _turn(lease: str) -> str:
    return _TURN.format(lease=lease, bytes=_BATCH_BYTES)


_TURN_CHECKED, _TURN_RENEWED, _TURN_FREE = _turn(_CHECKED), _turn(_RENEWED), _turn(_FREE)

log = get_logger("relay")


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    age: float


class _LeaseLost(Exception):
    pass


class Relay:
    """Publishes a schema's outbox. `lanes` (read at each turn) restricts it; None means all lanes."""

    def __init__(
        self,
        *,
        database: Database,
        producer: AIOKafkaProducer,
        process: str,
        lease: str | None = "relay",
        lanes: Collection[int] | None = None,
        fault_prefix: str = "relay",
        max_rows: int = 500,
        lease_seconds: float = 5.0,
        active_pause: float = 0.02,
        idle_pause: float = 0.05,
        watch_seconds: float = 5.0,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._publisher = Publisher(producer)
        self._process = process
        self._lease = lease
        self._lanes = lanes
        self._fault_prefix = fault_prefix
        self._max_rows = max_rows
        self._lease_seconds = lease_seconds
        self._pauses = (active_pause, idle_pause)
        self._watch_seconds = watch_seconds
        self._backoff = backoff or Backoff()
        self._clock = clock or SystemClock()
        self._token: int | None = None
        self._renewed = 0.0
        self._published: dict[int, None] = {}
        """Ids that Kafka has acknowledged and that aren't deleted yet."""
        self._woken = asyncio.Event()
        self._stopping = False
        self._turning = asyncio.Lock()
        self._last_turn = self._clock.monotonic()
        self._forget_lease()

    # --- what the owner sees ---------------------------------------------------------------------------------------

    @property
    def holds_lease(self) -> bool:
        """Whether this process may publish, as far as it knows."""
        return self._lease is None or self._token is not None

    def wake(self) -> None:
        """Rows were committed: publish them now."""
        self._woken.set()

    def stop(self) -> None:
        """Finish the turn in hand and end `run`."""
        self._stopping = True
        self._woken.set()

    def last_turn_age(self) -> float:
        """Seconds since the loop last turned; waiting for Kafka turns it too."""
        return self._clock.monotonic() - self._last_turn

    async def run(self) -> None:
        """Publish until `stop`. Raises when an error lasts, or when only a restart helps."""
        failures, since, quiet = 0, 0.0, 0
        watching = asyncio.create_task(self._watch(), name="outbox-watch")
        try:
            while not self._stopping:
                self._woken.clear()
                if watching.done():
                    watching.result()
                try:
                    count = await self.publish_once()
                except Exception as error:
                    if fate_of(error) is not Fate.TRANSIENT:
                        raise
                    failures, since = failures + 1, since or self._clock.monotonic()
                    pause = self._backoff.pause(failures, self._clock.monotonic() - since)
                    log.warning("relay_failed", cause=cause_of(error), error=describe(error), failures=failures)
                    if pause is None:
                        raise
                    await self._rest(pause)
                    continue
                failures, since = 0, 0.0
                # What was published is deleted by the next turn, which new rows or the pause's end bring soon enough.
                quiet = 0 if count else quiet + 1
                await self._rest(self._pause(quiet))
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            await self._leave()

    def _pause(self, quiet: int) -> float:
        """Poll closely while rows keep coming, less when it is quiet; somebody else's lease is tried now and then."""
        active, idle = self._pauses
        if not self.holds_lease:
            return self._lease_seconds / 5
        return active if quiet < 50 else idle

    async def _rest(self, seconds: float) -> None:
        self._last_turn = self._clock.monotonic()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def publish_once(self, lanes: Collection[int] | None = None) -> int:
        """Publish what is there now; the number of rows. 0 also without the lease.

        What it published is deleted by the next turn. `lanes` replaces the relay's own: the router publishes what a
        former owner of a lane left.
        """
        async with self._turning:
            total = 0
            while True:
                try:
                    count, more = await self._turn(self._lanes if lanes is None else lanes)
                except _LeaseLost:
                    log.warning("relay_lease_lost", lease=self._lease)
                    self._forget_lease()
                    return total
                total += count
                self._last_turn = self._clock.monotonic()
                if not more:
                    return total

    async def publish_written(self, rows: Sequence[tuple[int, OutboxRow]], age: float) -> None:
        """Publish rows, by their ids, that the caller has just committed, without reading them back.

        `age` is the time in seconds since they were written. What it published is deleted by the next `publish_once`.
        """
        async with self._turning:
            fresh = [(number, row) for number, row in rows if number not in self._published]
            if fresh:
                await self._publish([_Row(n, row.topic, row.key, row.value, row.headers, age) for n, row in fresh])

    # --- a turn ----------------------------------------------------------------------------------------------------

    async def _turn(self, lanes: Collection[int] | None) -> tuple[int, bool]:
        """How many rows were published, and whether more may wait."""
        if self._lease is not None and self._token is None and not await self._acquire(self._lease):
            return 0, False
        rows = await self._next(lanes)
        if not rows:
            return 0, False
        await self._publish(rows)
        size = sum(len(row.value or b"") for row in rows)
        return len(rows), len(rows) >= self._max_rows or size >= _BATCH_BYTES

    async def _publish(self, rows: Sequence[_Row]) -> None:
        read_at = self._clock.now().timestamp()
        await fault_point(f"{self._fault_prefix}.taken")
        with metrics.relay_publish.time():
            await self._publisher.publish(rows, self._waiting)
        await fault_point(f"{self._fault_prefix}.relayed")
        for row in rows:
            self._published[row.id] = None
        metrics.outbox_wait.observe(rows[0].age)
        ended = self._clock.now().timestamp()
        waits.published(((row.topic, row.headers, row.age) for row in rows), read_at=read_at, ended=ended)
        _count(rows)
        self._last_turn = self._clock.monotonic()

    async def _acquire(self, lease: str) -> bool:
        async with self._database.pool.acquire() as connection:
            now = self._clock.monotonic()
            self._token = await leases.acquire(connection, lease, holder=self._process, seconds=self._lease_seconds)
        if self._token is None:
            return False
        self._renewed = now
        metrics.relay_leader.labels(lease).set(1)
        log.info("relay_lease_acquired", lease=lease, token=self._token)
        return True

    async def _next(self, lanes: Collection[int] | None) -> list[_Row]:
        """Delete what the last turn published, and read the next rows. Raises _LeaseLost."""
        now = self._clock.monotonic()
        renew = self._lease is not None and now - self._renewed > self._lease_seconds / 3
        statement = _TURN_FREE if self._lease is None else _TURN_RENEWED if renew else _TURN_CHECKED
        done = list(self._published)
        found = await self._database.pool.fetch(
            statement,
            done,
            None if lanes is None else list(lanes),
            self._max_rows,
            self._lease,
            self._token,
            self._lease_seconds,
        )
        if not found:
            raise _LeaseLost
        if renew:
            self._renewed = now
        for number in done:
            del self._published[number]
        return [
            _Row(row["id"], row["topic"], row["key"], row["payload"], unpack_headers(row["headers"]), row["age"])
            for row in found
            if row["id"] is not None
        ]

    def _waiting(self) -> None:
        """Kafka takes long: that is no stuck loop. A lease that ends meanwhile is noticed at the next statement."""
        self._last_turn = self._clock.monotonic()

    async def _watch(self) -> None:
        """Show how much waits, whoever is to publish it: beside the turns, for one may wait for Kafka without end."""
        while True:
            try:
                row = await self._database.pool.fetchrow(_WAITING)
            except Exception as error:
                if fate_of(error) is not Fate.TRANSIENT:
                    raise
                log.info("outbox_not_counted", error=describe(error))
            else:
                if row is not None:
                    metrics.outbox_depth.set(row["rows"])
                    metrics.outbox_oldest_age.set(row["age"])
            await asyncio.sleep(self._watch_seconds)

    # --- the lease's end -------------------------------------------------------------------------------------------

    def _forget_lease(self) -> None:
        """What was published stays known: Kafka has it, so it may be deleted as soon as the lease is back."""
        self._token = None
        if self._lease is not None:
            metrics.relay_leader.labels(self._lease).set(0)

    async def _leave(self) -> None:
        """Delete what is published, let the next holder in; if that fails, rows repeat and the lease ends by itself."""
        if not self.holds_lease:
            return
        try:
            async with asyncio.timeout(2), self._turning:
                if self._published:
                    await self._next([])
                if self._lease is not None and self._token is not None:
                    async with self._database.pool.acquire() as connection:
                        await leases.release(connection, self._lease, self._token)
        except Exception as error:  # noqa: BLE001
            log.info("relay_left_untidily", lease=self._lease, error=describe(error))
        self._forget_lease()


def _count(rows: Sequence[_Row]) -> None:
    topics: dict[str, int] = {}
    for row in rows:
        topics[row.topic] = topics.get(row.topic, 0) + 1
    for topic, count in topics.items():
        metrics.relay_records.labels(topic).inc(count)
