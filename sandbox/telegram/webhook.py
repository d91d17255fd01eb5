"""Delivery of updates to a webhook, as tdlib/telegram-bot-api does it.

Invariant: updates of one queue go out one after another, in order, and a failing one holds back its queue only; at
most `max_connections` requests are under way; an update leaves the feed on a 2xx or when its time is over.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from sandbox.clock import Clock
from sandbox.telegram.faults import UPDATES, Fault, Faults
from sandbox.telegram.feed import QueueKey, Update, UpdateFeed, Webhook

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
LONGEST_RETRY_AFTER = 3600
RECONNECT_DELAY = 2.0
GONE_FOR = 23 * 3600.0
REQUEST_TIMEOUT = 60.0
NOT_BY_WEBHOOK = frozenset({"setwebhook", "deletewebhook", "close", "logout"})
"""Methods that an answer to a webhook may not name, besides all that begin with `get`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt. `connected` is False when the request never reached the bot."""

    status: int | None = None
    error: str | None = None
    retry_after: int = 0
    connected: bool = True
    answer: dict[str, Any] | None = None


class WebhookSender:
    """Sends one bot's updates to its webhook until stopped."""

    def __init__(
        self,
        feed: UpdateFeed,
        webhook: Webhook,
        *,
        clock: Clock,
        session: aiohttp.ClientSession,
        faults: Faults,
        on_attempt: Callable[[Update, Outcome], None],
        execute: Callable[[str, dict[str, Any]], Awaitable[None]],
        close_webhook: Callable[[], None],
    ) -> None:
        self._feed = feed
        self._webhook = webhook
        self._clock = clock
        self._session = session
        self._faults = faults
        self._on_attempt = on_attempt
        self._execute = execute
        self._close_webhook = close_webhook
        self._headers = {"Content-Type": "application/json"}
        if webhook.secret_token:
            self._headers["X-Telegram-Bot-Api-Secret-Token"] = webhook.secret_token
        self._timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
        self._queues: dict[QueueKey, deque[Update]] = {}
        self._ready: deque[QueueKey] = deque()
        self._later: list[tuple[float, int, QueueKey]] = []
        self._numbers = itertools.count()
        self._under_way: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Task[None] | None = None
        self._first_gone: float | None = None
        self._stopped = False

    def start(self) -> None:
        """Take over what is pending, then whatever is added."""
        self._feed.on_add = self.add
        for update in list(self._feed.pending.values()):
            self.add(update)

    def stop(self) -> None:
        """Stop at once; an attempt under way is cut off and its update stays pending."""
        self._stopped = True
        self._feed.on_add = None
        for task in (*self._under_way, self._timer):
            if task is not None and task is not asyncio.current_task():
                task.cancel()

    @property
    def settled(self) -> bool:
        """Nothing is under way and nothing is due before time moves on."""
        due = bool(self._later) and self._later[0][0] <= self._clock.elapsed()
        return not self._under_way and not self._ready and not due

    def add(self, update: Update) -> None:
        queue = self._queues.setdefault(update.queue, deque())
        queue.append(update)
        if len(queue) == 1:
            self._ready.append(update.queue)
            self._pump()

    def _pump(self) -> None:
        while self._ready and len(self._under_way) < self._webhook.max_connections and not self._stopped:
            key = self._ready.popleft()
            task = asyncio.create_task(self._attempt(key, self._queues[key][0]))
            self._under_way.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.result()
        if not self._stopped:
            self._pump()
        self._feed.on_change()

    async def _attempt(self, key: QueueKey, update: Update) -> None:
        if update.expires_at <= self._clock.elapsed():
            self._drop(key, update)
            return
        update.attempts += 1
        faults = self._faults.strike(UPDATES, update.chat_id, update.kind)
        outcome = await self._post(update, faults)
        self._on_attempt(update, outcome)
        if outcome.error is None:
            self._first_gone = None
            if any(fault.kind == "duplicate" for fault in faults):
                self._on_attempt(update, await self._post(update, []))
            self._drop(key, update)
            await self._answer(outcome)
        else:
            self._failed(key, update, outcome)

    async def _post(self, update: Update, faults: list[Fault]) -> Outcome:
        kinds = {fault.kind for fault in faults}
        for fault in faults:
            if fault.kind == "delay":
                await self._clock.sleep(fault.seconds * self._clock.speed)
        if "drop_before" in kinds:
            return Outcome(error="Webhook connection closed")
        try:
            async with self._session.post(
                self._webhook.url, data=update.body, headers=self._headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                content = await response.read()
        except aiohttp.ClientConnectorError as error:
            reason = "Connection refused" if isinstance(error.os_error, ConnectionRefusedError) else str(error)
            return Outcome(error=reason, connected=False)
        except TimeoutError:
            return Outcome(error="Read timeout expired")
        except (aiohttp.ClientError, OSError):
            return Outcome(error="Webhook connection closed")
        if "drop" in kinds:
            return Outcome(error="Webhook connection closed")
        if 200 <= response.status <= 299:
            return Outcome(status=response.status, answer=_object(content))
        header = response.headers.get("Retry-After", "")
        return Outcome(
            status=response.status,
            error=f"Wrong response from the webhook: {response.status} {response.reason}",
            retry_after=min(int(header), LONGEST_RETRY_AFTER) if header.isdigit() else 0,
        )

    def _failed(self, key: QueueKey, update: Update, outcome: Outcome) -> None:
        self._webhook.last_error_date = int(self._clock.now())
        self._webhook.last_error_message = outcome.error
        now = self._clock.elapsed()
        if outcome.status == 410:
            self._first_gone = now if self._first_gone is None else self._first_gone
            if now > self._first_gone + GONE_FOR:
                self._close_webhook()
                return
        elif outcome.status is not None:
            self._first_gone = None
        if not outcome.connected:
            wait = RECONNECT_DELAY
        elif outcome.retry_after:
            wait = float(outcome.retry_after)
        else:
            wait = update.delay = min(LONGEST_DELAY, update.delay * 2) or FIRST_DELAY
        if now + wait > update.expires_at:
            self._drop(key, update)
            return
        heapq.heappush(self._later, (now + wait, next(self._numbers), key))
        self._wake_at_first()

    def _drop(self, key: QueueKey, update: Update) -> None:
        """The update is done with; the next of its queue is due."""
        queue = self._queues[key]
        queue.popleft()
        self._feed.pending.pop(update.id, None)
        if queue:
            self._ready.append(key)
        else:
            del self._queues[key]

    def _wake_at_first(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._later and not self._stopped:
            self._timer = asyncio.create_task(self._wake(self._later[0][0]))

    async def _wake(self, at: float) -> None:
        await self._clock.sleep(at - self._clock.elapsed())
        now = self._clock.elapsed()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        self._timer = None
        self._pump()
        self._wake_at_first()
        self._feed.on_change()

    async def _answer(self, outcome: Outcome) -> None:
        """A 2xx whose body names a method has it executed; nobody learns of the result."""
        method = str((outcome.answer or {}).get("method", "")).lower()
        if method and method not in NOT_BY_WEBHOOK and not method.startswith("get"):
            await self._execute(method, {k: v for k, v in (outcome.answer or {}).items() if k != "method"})


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return answer if isinstance(answer, dict) else None
