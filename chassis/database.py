"""One pool, one schema: every connection has the time limits that keep a stopped process from holding others up.

Whether PostgreSQL answers is asked on a connection beside the pool: a pool that is full of slow statements says nothing
about it, and a busy process must not be taken for one without its database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from chassis import metrics

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""What handlers and queries get: a connection inside a transaction."""

Admit: TypeAlias = Callable[[Connection], Coroutine[Any, Any, None]]
"""Looks at a new connection before it is used. What it raises reaches whoever asked for one."""

ACQUIRE_SECONDS = 10.0
REACH_SECONDS = 5.0
"""For one question, with a new connection where it needs one. Probes wait less."""
COMMAND_SECONDS = 40.0
"""Longer than the session's `statement_timeout`, so that PostgreSQL is asked first: this is for one that is silent."""


def session_settings(schema: str, process: str) -> dict[str, str]:
    """Settings of each session.

    Generic plans: all statements are prepared once and run with arrays, whose plans don't depend on their values.
    """
    return {
        "search_path": f'"{schema}", public',
        "application_name": process[:63],
        "lock_timeout": "5s",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "30s",
        "plan_cache_mode": "force_generic_plan",
        "jit": "off",
    }


class Database:
    """A service's own schema in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], schema: str, beside: _Beside) -> None:
        self.pool = pool
        self.schema = schema
        self._beside = beside

    @classmethod
    async def connect(
        cls,
        dsn: str,
        *,
        schema: str,
        process: str,
        min_size: int = 1,
        max_size: int = 4,
        settings: Mapping[str, str] | None = None,
        admit: Admit | None = None,
        command_seconds: float = COMMAND_SECONDS,
    ) -> Database:
        """Raises asyncpg's and the system's connection errors, and `admit`'s.

        `settings` of the session go beside the usual ones. After `command_seconds` a statement is given up here: who
        gives it more time in PostgreSQL gives it more here too.
        """
        session = {**session_settings(schema, process), **(settings or {})}
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            max_inactive_connection_lifetime=0,
            timeout=ACQUIRE_SECONDS,
            command_timeout=command_seconds,
            server_settings=session,
            reset=_nothing_to_reset,
            init=admit,
        )
        metrics.pool_connections.labels("open").set_function(pool.get_size)
        metrics.pool_connections.labels("idle").set_function(pool.get_idle_size)
        return cls(pool, schema, _Beside(dsn, session, admit))

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """One of the pool, for reading: each statement is a transaction of its own."""
        return _connection(self.pool)

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """BEGIN .. COMMIT on a connection of the pool; ROLLBACK on any exception."""
        return _transaction(self.pool)

    async def reachable(self) -> bool:
        """For readiness: whether a statement is answered, however busy the pool is. Raises what `admit` raises."""
        if self.pool.is_closing():
            return False
        try:
            return await self._beside.answers()
        except asyncpg.TooManyConnectionsError:
            return self.pool.get_size() > 0  # it answers, and who has a connection can work
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        """Wait for transactions in hand, for a few seconds at most."""
        self._beside.close()
        try:
            async with asyncio.timeout(5):
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()


class _Beside:
    """One connection beside the pool, kept between questions; what fails or takes too long is dropped for a new one.

    A question goes on when nobody waits for it any more: a server too slow for one probe is ready for the next.
    """

    def __init__(self, dsn: str, session: dict[str, str], admit: Admit | None) -> None:
        self._dsn = dsn
        self._session = session
        self._admit = admit
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._question: asyncio.Task[bool] | None = None

    async def answers(self) -> bool:
        """Whether PostgreSQL does. Raises the errors of asyncpg and the system, and `admit`'s."""
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._ask())
            self._question.add_done_callback(_heard)
        return await asyncio.shield(self._question)

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(REACH_SECONDS):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(self._dsn, server_settings=self._session)
                    if self._admit is not None:
                        await self._admit(self._connection)
                return bool(await self._connection.fetchval("SELECT true") is True)
        except BaseException:
            self._drop()
            raise

    def close(self) -> None:
        """Without waiting for the server, which may be away."""
        if self._question is not None:
            self._question.cancel()
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _heard(question: asyncio.Task[bool]) -> None:
    """Nobody may be left to hear of its error."""
    if not question.cancelled():
        question.exception()


BY_KEY = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Session settings for a process whose statements all look rows up by their keys. Generic plans are made when a table
may still be empty and statistics are missing; without this they read whole tables until the next ANALYZE."""


@asynccontextmanager
async def _transaction(pool: asyncpg.Pool[asyncpg.Record]) -> AsyncIterator[Connection]:
    async with _connection(pool) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def _connection(pool: asyncpg.Pool[asyncpg.Record]) -> AsyncIterator[Connection]:
    asked = time.perf_counter()
    async with asyncio.timeout(ACQUIRE_SECONDS):  # asyncpg's own `timeout` makes a task of each acquisition
        connection = await pool.acquire()
    try:
        metrics.pool_wait.observe(time.perf_counter() - asked)
        yield connection
    finally:
        await pool.release(connection)


_HOLD = """
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || name, 0))
FROM unnest($1::text[]) AS held(name)"""


async def hold(connection: Connection, names: Iterable[str]) -> None:
    """Hold names, which need no row, until the transaction ends: of two holders the later sees all that the first did.

    To be called before what depends on it is read. Names are taken in order, so that two callers don't deadlock. Each
    takes a slot of PostgreSQL's lock table until the end, which has `max_locks_per_transaction` (64) for each of
    `max_connections` (100): room for the batches of six workers, should they consist of nothing else.
    """
    if ordered := sorted(set(names)):
        await connection.execute(_HOLD, ordered)


async def _nothing_to_reset(_: Connection) -> None:
    """The default reset costs a round trip per transaction, and nothing here changes a session.

    Settings are fixed at the connect, there are no advisory locks beyond a transaction and no LISTEN; open transactions
    are rolled back by their context managers.
    """
