"""Asks the worker to read what a platform told while ingest didn't listen: at the start, and after an outage.

Nothing here stands between an event and its acknowledgement: requests are published beside, until Kafka has them.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chassis.error_text import describe
from chassis.logs import get_logger
from contracts.chat_requests_v1 import ReadHistory
from contracts.codec import encode
from contracts.keys import Platform

AGAIN_SECONDS = 5.0
MARGIN_SECONDS = 60.0
"""What failed first happened a moment before, and by the platform's clock."""
log = get_logger(__name__)


async def publish(producer: AIOKafkaProducer, request: ReadHistory, *, source: str) -> None:
    """Returns when Kafka has the request. Raises KafkaError."""
    record = encode(request, source=source, time=request.requested_at)
    await producer.send_and_wait(record.topic, record.value, key=record.key, headers=record.headers)


class CatchUp:
    """`after`: seconds for which nothing could be taken before the platform has surely given something up."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        platform: Platform,
        *,
        process: str,
        after: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._producer = producer
        self._platform = platform
        self._source = f"okno/{process}"
        self._after = after
        self._now = now
        self._failing_since: dict[str, float] = {}
        self._requests: asyncio.Queue[ReadHistory] = asyncio.Queue()
        self._ask(only_after_gap=True)

    @property
    def failing(self) -> bool:
        """Some way in is shut."""
        return bool(self._failing_since)

    def fail(self, parts: Iterable[str], *, since: float | None = None) -> None:
        """An event can't be taken, or none can come: `parts` says which ways in are shut, `since` from when on if it is
        not now.
        """
        for part in parts:
            self._failing_since.setdefault(part, self._now() if since is None else since)

    def work(self, parts: Iterable[str]) -> None:
        """An event was taken, or the connection is up."""
        now = self._now()
        since = min((self._failing_since.pop(part, now) for part in parts), default=now)
        if now - since > self._after:
            since = min([since, *self._failing_since.values()])
            self._ask(since=datetime.fromtimestamp(since - MARGIN_SECONDS, UTC))
            # What the other ways have missed so far is read with it: one outage is no reading for each partition.
            self._failing_since = dict.fromkeys(self._failing_since, now)

    async def run(self) -> None:
        """Publish the requests, for ever."""
        while True:
            request = await self._requests.get()
            while not await self._published(request):
                await asyncio.sleep(AGAIN_SECONDS)

    async def _published(self, request: ReadHistory) -> bool:
        try:
            await publish(self._producer, request, source=self._source)
        except KafkaError as error:
            log.warning("the request to read history waits for Kafka", error=describe(error))
            return False
        return True

    def _ask(self, *, since: datetime | None = None, only_after_gap: bool = False) -> None:
        at = datetime.fromtimestamp(self._now(), UTC)
        request = ReadHistory(platform=self._platform, requested_at=at, since=since, only_after_gap=only_after_gap)
        self._requests.put_nowait(request)
