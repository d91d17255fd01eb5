"""One poll is under way at a time; what was fetched before a seek never comes out after it.

aiokafka's `getmany` waits without end during a rebalance, and a cancelled one confuses its sense of idleness. So a poll
is a task that is kept from turn to turn, and the loop that owns it goes on turning.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException

from chassis.errors import Fatal
from chassis.records import Polled

POLL_MS = 1000
LINGER_MS = 3
COMPANY_MS = 20
"""How long records of unhurried topics wait for others: fewer transactions where few records come."""
TURN_SECONDS = 1.0


class UnreadableLog(Fatal):
    """Kafka's records are there, but the client can't read them: a broken checksum, or a header's name isn't UTF-8."""


class Poller:
    """Fetches the records of a consumer, `limit` at most at a time. Those of `unhurried` topics alone wait a little."""

    def __init__(self, consumer: AIOKafkaConsumer, limit: int, unhurried: Collection[str] = ()) -> None:
        self._consumer = consumer
        self._limit = limit
        self._unhurried = unhurried
        self._seeks = 0
        self._poll: asyncio.Task[Polled] | None = None

    async def wait(self, woken: asyncio.Event) -> bool:
        """Whether a poll has ended; otherwise `woken` was set, or it is time for the loop to turn."""
        if self._poll is None:
            self._poll = asyncio.create_task(self._gather())
        if not self._poll.done():
            waking = asyncio.create_task(woken.wait())
            await asyncio.wait({self._poll, waking}, timeout=TURN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()
        return self._poll.done()

    def take(self) -> Polled:
        """What the ended poll brought. Raises what it raised."""
        poll, self._poll = self._poll, None
        if poll is None:
            return {}
        try:
            return poll.result()
        except (UnicodeError, CorruptRecordException) as error:
            raise UnreadableLog(f"records can't be read from Kafka: {error!r}") from error

    def sought(self) -> None:
        """A seek was made: what was fetched before is fetched again. A poll under way sees the new positions."""
        self._seeks += 1
        if self._poll is not None and self._poll.done():
            if not self._poll.cancelled():
                self._poll.exception()
            self._poll = None

    async def close(self) -> None:
        """End the poll under way."""
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.wait({self._poll})
            self.sought()

    async def _gather(self) -> Polled:
        """What is there, or what comes first.

        When records waited already, this process is the slow one: then one more fetch is worth its millisecond, as
        fewer and larger batches cost less. Records of unhurried topics alone go on waiting until others come.
        """
        polled: Polled = await self._consumer.getmany(timeout_ms=0, max_records=self._limit)
        wait_ms = LINGER_MS
        if not polled:
            polled = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=self._limit)
            wait_ms = 0
        seeks = self._seeks  # not earlier: what a fetch brings after a seek was read from where it went
        begun = time.monotonic()
        while (left := self._limit - sum(map(len, polled.values()))) > 0:
            if polled and all(tp.topic in self._unhurried for tp in polled):
                wait_ms = COMPANY_MS - round((time.monotonic() - begun) * 1000)
            if wait_ms <= 0:
                break
            more: Polled = await self._consumer.getmany(timeout_ms=wait_ms, max_records=left)
            if self._seeks != seeks:
                return more
            for tp, raws in more.items():
                polled.setdefault(tp, []).extend(raws)
            wait_ms = 0
        return polled
