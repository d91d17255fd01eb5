"""Asks the worker to read what a platform told while ingest didn't listen: at the start, and after an outage.

Nothing here stands between an event and its acknowledgement: requests are published beside, until Kafka has them. What
is to be asked for is `owed` from its first refusal on, so that `outages` can keep it for a process that is killed.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from chassis.error_text import describe
from chassis.logs import get_logger
from contracts.chat_requests_v1 import ReadHistory
from contracts.codec import encode
from contracts.keys import Platform

AGAIN_SECONDS = 5.0
MARGIN_SECONDS = 600.0
"""What failed first may have been the last retry of an event that happened minutes before, elsewhere or while we were
down (Slack: six minutes, and clocks differ).
"""
GIVEN_UP_SECONDS = 420.0
"""Longer than the longest pause between two tries of an event (Slack: five minutes)."""
LOOK_SECONDS = 10.0
START, OUTAGE = "start", "outage"
"""What can be owed."""
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
        self._refused_at: dict[str, float] = {}
        """When a way in that is shut was last tried."""
        self._requests: asyncio.Queue[ReadHistory] = asyncio.Queue()
        self._unpublished: list[ReadHistory] = []
        self.changed = asyncio.Event()
        """What is owed may be other than before; whoever looks clears it first."""
        self._ask()

    @property
    def failing(self) -> bool:
        """Some way in is shut."""
        return bool(self._failing_since)

    def fail(self, parts: Iterable[str], *, since: float | None = None) -> None:
        """An event can't be taken, or none can come: `parts` says which ways in are shut, `since` from when on if it is
        not now.
        """
        now = self._now()
        for part in parts:
            self._refused_at[part] = now
            if part not in self._failing_since:
                self._failing_since[part] = now if since is None else since
                self.changed.set()

    def owed(self) -> dict[str, ReadHistory]:
        """What would have to be asked for if this process ended now."""
        owed = {OUTAGE if one.since else START: one for one in self._unpublished}
        begins = [one.since for one in self._unpublished if one.since is not None]
        begins += map(_from, self._failing_since.values())
        if begins:
            owed[OUTAGE] = self._request(min(begins))
        return owed

    def work(self, parts: Iterable[str]) -> None:
        """An event was taken, or the connection is up."""
        opened = self._opened(parts)
        if opened and self._now() - min(opened) > self._after:
            self._ask_from(opened)

    def give_up(self) -> None:
        """Ask for what was refused by ways that nobody has tried since for as long as the platform sends again: a quiet
        channel's only message would wait for its next one. Not while Kafka says that a partition has no leader: what is
        found couldn't be published either.
        """
        before = self._now() - GIVEN_UP_SECONDS
        quiet = [part for part in self._failing_since if self._refused_at[part] < before and self._has_leader(part)]
        if quiet:
            self._ask_from(self._opened(quiet))

    def _has_leader(self, part: str) -> bool:
        """Of a way that is no partition: yes."""
        topic, _, number = part.partition("/")
        if not number:
            return True
        leader = self._producer.client.cluster.leader_for_partition(TopicPartition(topic, int(number)))
        return leader is not None and leader >= 0

    def _opened(self, parts: Iterable[str]) -> list[float]:
        """The times since when those of the ways were shut that were."""
        opened = [self._failing_since.pop(part) for part in parts if part in self._failing_since]
        if opened:
            self.changed.set()
        return opened

    def _ask_from(self, opened: Iterable[float]) -> None:
        """What the other ways have missed so far is read with it: one outage is no reading for each partition. One that
        is still shut counts from its next refusal on.
        """
        self._ask(_from(min([*opened, *self._failing_since.values()])))
        self._failing_since.clear()

    async def run(self) -> None:
        """Publish the requests, for ever."""
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    request = await self._requests.get()
            except TimeoutError:
                self.give_up()
                continue
            while not await self._published(request):
                await asyncio.sleep(AGAIN_SECONDS)
            self._unpublished.remove(request)
            self.changed.set()

    async def _published(self, request: ReadHistory) -> bool:
        try:
            await publish(self._producer, request, source=self._source)
        except KafkaError as error:
            log.warning("the request to read history waits for Kafka", error=describe(error))
            return False
        return True

    def _ask(self, since: datetime | None = None) -> None:
        request = self._request(since)
        self._unpublished.append(request)
        self._requests.put_nowait(request)
        self.changed.set()

    def _request(self, since: datetime | None = None) -> ReadHistory:
        at = datetime.fromtimestamp(self._now(), UTC)
        return ReadHistory(platform=self._platform, requested_at=at, since=since, only_after_gap=True)


def _from(failed_at: float) -> datetime:
    """What to read from on when something failed then."""
    return datetime.fromtimestamp(failed_at - MARGIN_SECONDS, UTC)
