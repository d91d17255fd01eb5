"""Whether anything is still under way: a webhook, a record, an outbox row, a delivery, a job.

Only when nothing is can a test say that nothing was doubled: a second copy comes late.
"""

from __future__ import annotations

import asyncpg
import httpx
from aiokafka.errors import KafkaError

from sandbox.stack.info import StackInfo
from sandbox.stack.inside.backlog import backlog
from sandbox.stack.inside.log import Log
from tests.end_to_end.support.waiting import until_none

_AWAY = (OSError, TimeoutError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx.HTTPError)


PATIENCE_SECONDS = 150.0
"""The history of each channel of a session may be read after a gap, at the pace of Slack's limits."""


class Quiet:
    """Asks the platforms, Kafka and the four schemas."""

    def __init__(self, info: StackInfo, http: httpx.AsyncClient, log: Log) -> None:
        self._info = info
        self._http = http
        self._log = log

    async def wait(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Until nothing is under way."""
        await until_none(self._problem, what="quiet", seconds=seconds)

    async def _problem(self) -> str | None:
        try:
            return await self._platforms() or await self._inside()
        except _AWAY as error:
            return repr(error)

    async def _platforms(self) -> str | None:
        control = self._info.sandbox.control_url
        slack = (await self._http.get(f"{control}/slack/idle", params={"timeout": 0})).json()
        if not slack["idle"]:
            return f"Slack still delivers {slack['pending']} events"
        telegram = (await self._http.post(f"{control}/telegram/wait-idle", json={"timeout": 0})).json()
        return None if telegram["idle"] else f"Telegram still delivers {telegram['pending']} updates"

    async def _inside(self) -> str | None:
        ends = await self._log.ends()
        connection = await asyncpg.connect(self._info.postgres.dsn, timeout=5)
        try:
            if problem := (await backlog(connection, ends)).text():
                return problem
        finally:
            await connection.close()
        return None if await self._log.ends() == ends else "Kafka got more records"
