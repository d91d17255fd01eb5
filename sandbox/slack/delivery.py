"""Delivery of events: each is attempted at once and retried three times, then lost; a log tells the fate of each.

The first attempts of a channel's events follow one another; a failed event waits for its retries beside the others
and holds up none, so an app sees a channel in order only while it answers, as with the real platform.
"""

import asyncio
import random
import string
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from sandbox.clock import Clock
from sandbox.slack.faults import Fault, Faults
from sandbox.slack.identity import Identity
from sandbox.slack.model import Json
from sandbox.slack.settings import Settings
from sandbox.slack.subscription import Subscription
from sandbox.slack.transport import Attempting

State = Literal["waiting", "delivered", "retrying", "failed", "lost"]
LOG_LENGTH = 20_000
OVERTAKING_SECONDS = 0.05


@dataclass(slots=True)
class Attempt:
    """One attempt: when (epoch seconds), the retry number, Slack's word for its failure, how long it took."""

    at: float
    number: int
    delivered: bool
    reason: str
    status: int | None
    milliseconds: float


@dataclass(slots=True)
class Delivery:
    """The fate of one event."""

    event_id: str
    lane: str
    type: str
    subtype: str | None
    ts: str | None
    message_ts: str | None
    body: bytes
    state: State = "waiting"
    fault: str | None = None
    refused: bool = False
    attempts: list[Attempt] = field(default_factory=list)

    def json(self) -> Json:
        """For the control API; without the body."""
        return {
            "event_id": self.event_id,
            "channel": self.lane,
            "type": self.type,
            "subtype": self.subtype,
            "ts": self.ts,
            "message_ts": self.message_ts,
            "state": self.state,
            "fault": self.fault,
            "attempts": [{name: getattr(attempt, name) for name in Attempt.__slots__} for attempt in self.attempts],
        }


class Dispatcher:
    """Takes events in the order they happen and sees each to its end."""

    def __init__(
        self,
        identity: Identity,
        settings: Settings,
        clock: Clock,
        faults: Faults,
        transport: Callable[[], Attempting | None],
        happened: Callable[[str, Json], None],
    ) -> None:
        self._identity = identity
        self._settings = settings
        self._clock = clock
        self._faults = faults
        self._transport = transport
        self._happened = happened
        self._lanes: dict[str, deque[tuple[Delivery, Fault | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._size = settings.concurrency
        self._random = random.Random()
        self._pending = 0
        self._retrying = 0
        self._changed = asyncio.Event()
        self.subscription = Subscription(settings, clock)
        self.log: deque[Delivery] = deque(maxlen=LOG_LENGTH)

    def submit(self, event: Json, lane: str) -> Delivery | None:
        """Queues an event for delivery; None if the app has no subscription for it. Never waits."""
        types = self._settings.event_types
        if (
            self.subscription.disabled
            or self._transport() is None
            or (types is not None and event["type"] not in types)
        ):
            return None
        too_many, minute = self.subscription.over_hourly_limit()
        if minute is not None:
            self.tell_rate_limited(minute)
        if too_many:
            return None
        event_id = "Ev" + "".join(self._random.choices(string.digits + string.ascii_uppercase, k=10))
        delivery = self._record(event_id, lane, event, orjson.dumps(self.envelope(event, event_id)))
        fault = self._faults.for_event(event, lane)
        if fault is not None:
            delivery.fault = fault.kind
        if fault is not None and fault.kind == "lose":
            delivery.state = "lost"
            return delivery
        self._pending += 1
        if self._settings.order == "none" or (fault is not None and fault.kind == "reorder"):
            self._spawn(self._first(delivery, fault))
        elif lane in self._lanes:
            self._lanes[lane].append((delivery, fault))
        else:
            self._lanes[lane] = deque([(delivery, fault)])
            self._spawn(self._run_lane(lane))
        return delivery

    def redeliver(self, delivery: Delivery) -> None:
        """Sends an event once more, as after an answer that Slack didn't see."""
        self._pending += 1
        self._spawn(self._again(delivery))

    def envelope(self, event: Json, event_id: str) -> Json:
        """What is posted around an event."""
        identity = self._identity
        moment = float(event.get("event_ts") or self._clock.now())
        return {
            "token": identity.verification_token,
            "team_id": identity.team_id,
            "context_team_id": identity.team_id,
            "context_enterprise_id": None,
            "api_app_id": identity.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": event_id,
            "event_time": int(moment),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": identity.team_id,
                    "user_id": identity.bot_user_id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": f"4-{event_id}",
        }

    @property
    def pending(self) -> int:
        """Events not yet at their end; those waiting for a retry are counted."""
        return self._pending

    @property
    def retrying(self) -> int:
        """Events waiting for a retry."""
        return self._retrying

    async def wait_idle(self, timeout: float, *, retries: bool = True) -> bool:
        """Waits until every event is at its end, or (without `retries`) at least waits for a retry only."""
        try:
            async with asyncio.timeout(timeout):
                while self._pending - (0 if retries else self._retrying) > 0:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Gives up everything under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _record(self, event_id: str, lane: str, event: Json, body: bytes) -> Delivery:
        ts = event.get("ts") or event.get("deleted_ts") or event.get("item", {}).get("ts")
        about = event.get("message", {}).get("ts") or event.get("deleted_ts") or ts
        delivery = Delivery(event_id, lane, event["type"], event.get("subtype"), ts, about, body)
        self.log.append(delivery)
        return delivery

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, lane: str) -> None:
        queue = self._lanes[lane]
        while queue:
            delivery, fault = queue.popleft()
            await self._first(delivery, fault)
        del self._lanes[lane]

    async def _first(self, delivery: Delivery, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else ""
        if fault is not None and kind in ("delay", "reorder"):
            await asyncio.sleep(fault.seconds or OVERTAKING_SECONDS)
        failure = await self._try(delivery, 0, "")
        if kind == "duplicate":
            failure = await self._try(delivery, 1, failure or "http_timeout")
        if failure is None:
            self._finish(delivery)
        else:
            self._spawn(self._retry(delivery, failure))

    async def _retry(self, delivery: Delivery, reason: str) -> None:
        for number, delay in enumerate(self._settings.retry_delays, start=1):
            if delivery.refused:
                break
            delivery.state = "retrying"
            self._count_retrying(+1)
            try:
                await self._clock.sleep(delay)
            finally:
                self._count_retrying(-1)
            failure = await self._try(delivery, number, reason)
            if failure is None:
                self._finish(delivery)
                return
            reason = failure
        delivery.state = "failed"
        self._finish(delivery)

    async def _again(self, delivery: Delivery) -> None:
        await self._try(delivery, 1, "http_timeout")
        self._finish(delivery)

    async def _try(self, delivery: Delivery, number: int, reason: str) -> str | None:
        """One attempt; None on success, else the reason of its failure."""
        transport = self._transport()
        if transport is None:
            return "connection_failed"
        if self._size != self._settings.concurrency:
            self._size = self._settings.concurrency
            self._slots = asyncio.Semaphore(self._size)
        async with self._slots:
            begun = time.monotonic()
            outcome = await transport.attempt(delivery.body, number, reason)
        took = round((time.monotonic() - begun) * 1000, 3)
        delivery.attempts.append(
            Attempt(self._clock.now(), number, outcome.delivered, outcome.reason, outcome.status, took)
        )
        if self.subscription.tried(first=number == 0, delivered=outcome.delivered):
            self._happened("subscription_disabled", {})
        if outcome.delivered:
            delivery.state = "delivered"
            return None
        delivery.refused = outcome.stop
        return outcome.reason

    def _count_retrying(self, change: int) -> None:
        self._retrying += change
        self._changed.set()

    def _finish(self, delivery: Delivery) -> None:
        self._pending -= 1
        self._changed.set()
        self._happened("event_finished", delivery.json())

    def tell_rate_limited(self, minute: int) -> Delivery:
        """Sends the top-level app_rate_limited callback, which carries no event."""
        body = {
            "token": self._identity.verification_token,
            "type": "app_rate_limited",
            "team_id": self._identity.team_id,
            "minute_rate_limited": minute,
            "api_app_id": self._identity.app_id,
        }
        delivery = self._record(f"app_rate_limited-{minute}", "workspace", body, orjson.dumps(body))
        self._pending += 1
        self._spawn(self._first(delivery, None))
        return delivery
