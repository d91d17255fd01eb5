"""What people and methods act upon: a world, its bots' feeds, limits, faults and log, held together.

Invariant: everything that happens in the world is told twice: to the bots that Telegram would tell (updates), and to
every subscriber (`/live`), in the order in which it happened.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import aiohttp

from sandbox.clock import Clock, ScaledClock
from sandbox.telegram.errors import ApiError, ControlError, unauthorized
from sandbox.telegram.faults import Faults
from sandbox.telegram.feed import Update, UpdateFeed, Webhook
from sandbox.telegram.files import FileStore
from sandbox.telegram.limits import RateLimits, Throttle
from sandbox.telegram.visibility import bots_to_tell
from sandbox.telegram.webhook import Outcome, WebhookSender
from sandbox.telegram.world import BotIdentity, Chat, Message, World, message_json

LOG_LENGTH = 20_000
EPOCH = 1_700_000_000
SUBSCRIBER_BACKLOG = 10_000
DEFAULT_LIMITS = RateLimits()

Execute = Callable[[BotIdentity, str, dict[str, Any]], Awaitable[dict[str, Any]]]


class Subscription:
    """The stream of all that happens, from now on. A reader that falls behind loses the oldest events."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def put(self, event: dict[str, Any]) -> None:
        if self._events.qsize() >= SUBSCRIBER_BACKLOG:
            self._events.get_nowait()
        self._events.put_nowait(event)

    async def next(self) -> dict[str, Any]:
        return await self._events.get()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield await self.next()

    def close(self) -> None:
        self._platform.unsubscribe(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Platform:
    """A Telegram with its bots. `execute` calls a method of the Bot API as a bot: a webhook's answer may be one.

    Ids of messages, people, chats and updates begin at numbers taken from the clock, so that two runs against one
    database share none. `local_mode` allows webhooks by plain http, like the Bot API server's own `--local`.
    """

    def __init__(
        self,
        bots: Sequence[BotIdentity] = (BotIdentity(),),
        *,
        execute: Execute,
        clock: Clock | None = None,
        rate_limits: RateLimits | None = DEFAULT_LIMITS,
        local_mode: bool = True,
        topic_root_replies: bool = True,
    ) -> None:
        self.clock: Clock = clock or ScaledClock()
        self.bots = {bot.id: bot for bot in bots}
        first = max(0, int(self.clock.now()) - EPOCH)
        self.world = World(self.bots, first=first)
        self.files = FileStore()
        self.faults = Faults()
        self.local_mode = local_mode
        self.topic_root_replies = topic_root_replies
        self.deliveries: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self.calls: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self.commands: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
        self.descriptions: dict[tuple[int, str, str], str] = {}
        self.callbacks: dict[str, dict[str, Any]] = {}
        self._execute = execute
        self._by_token = {bot.token: bot for bot in bots}
        self._throttles = {bot.id: Throttle(rate_limits) for bot in bots}
        self._feeds = {bot.id: UpdateFeed(self.clock, 1 + first * 10 % (1 << 30), self._changed) for bot in bots}
        self._senders: dict[int, WebhookSender] = {}
        self._session: aiohttp.ClientSession | None = None
        self._change = asyncio.Event()
        self._subscriptions: set[Subscription] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop delivering and end polls under way."""
        for sender in self._senders.values():
            sender.stop()
        self._senders.clear()
        for feed in self._feeds.values():
            feed.abort_poll(ApiError(502, "Bad Gateway"))
        if self._session is not None:
            await self._session.close()

    # --- bots -----------------------------------------------------------------------------------------------------

    def bot(self, bot_id: int | None = None) -> BotIdentity:
        """The bot of this id, or the first one."""
        if bot_id is None:
            return next(iter(self.bots.values()))
        if bot_id not in self.bots:
            raise ControlError(f"no bot {bot_id}", status=404)
        return self.bots[bot_id]

    def bot_of_token(self, token: str) -> BotIdentity:
        try:
            return self._by_token[token]
        except KeyError:
            raise unauthorized() from None

    def feed(self, bot_id: int) -> UpdateFeed:
        return self._feeds[bot_id]

    def set_rate_limits(self, limits: RateLimits | None) -> None:
        """None switches them off."""
        for throttle in self._throttles.values():
            throttle.limits = limits

    def rate_limits(self) -> RateLimits | None:
        return next(iter(self._throttles.values())).limits

    def throttle(self, bot: BotIdentity, chat: Chat) -> int:
        """Seconds to wait before a message may be sent to the chat; 0 counts it as sent."""
        return self._throttles[bot.id].take(chat.id, group=not chat.is_private, now=self.clock.elapsed())

    # --- webhooks -------------------------------------------------------------------------------------------------

    def set_webhook(self, bot: BotIdentity, webhook: Webhook | None) -> None:
        """Begin delivering to a webhook, or end it (None): what is pending stays pending."""
        if (sender := self._senders.pop(bot.id, None)) is not None:
            sender.stop()
        feed = self._feeds[bot.id]
        if webhook is None:
            feed.webhook = None
            return
        feed.begin_webhook(webhook)
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60))

        async def execute(method: str, arguments: dict[str, Any]) -> None:
            with suppress(ApiError):  # as with Telegram, nobody learns of the result
                await self._execute(bot, method, arguments)

        self._senders[bot.id] = WebhookSender(
            feed,
            webhook,
            clock=self.clock,
            session=self._session,
            faults=self.faults,
            on_attempt=lambda update, outcome: self._log_attempt(bot, update, outcome),
            execute=execute,
            close_webhook=lambda: self.set_webhook(bot, None),
        )
        self._senders[bot.id].start()

    def _log_attempt(self, bot: BotIdentity, update: Update, outcome: Outcome) -> None:
        entry = {
            "bot_id": bot.id,
            "update_id": update.id,
            "kind": update.kind,
            "chat_id": update.chat_id,
            "attempt": update.attempts,
            "status": outcome.status,
            "error": outcome.error,
            "at": self.clock.now(),
        }
        self.deliveries.append(entry)
        self.publish("delivery", **entry)

    # --- what happens ---------------------------------------------------------------------------------------------

    def show(self, chat: Chat, message: Message) -> dict[str, Any]:
        """The message as the Bot API shows it."""
        return message_json(chat, message, topic_root_replies=self.topic_root_replies)

    def tell_bots(self, chat: Chat, kind: str, message: Message, *, by_bot: bool = False) -> None:
        """Queue a message or its edit for every bot that gets to see it."""
        payload: dict[str, Any] | None = None
        for bot in bots_to_tell(self.world, chat, message, by_bot=by_bot):
            payload = payload or self.show(chat, message)
            self._feeds[bot.id].add(kind, payload, chat_id=chat.id)

    def publish(self, event: str, **details: Any) -> None:
        """Tell every subscriber."""
        if self._subscriptions:
            told = {"platform": "telegram", "event": event, **details}
            for subscription in self._subscriptions:
                subscription.put(told)

    def subscribe(self) -> Subscription:
        subscription = Subscription(self)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    # --- waiting --------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._change.set()

    def pending(self) -> int:
        """Updates that no bot has taken yet."""
        return sum(len(feed.pending) for feed in self._feeds.values())

    async def settled(self) -> None:
        """Until every delivery that is due has been tried (retries that wait for the clock do not count)."""
        while not all(sender.settled for sender in self._senders.values()):
            self._change.clear()
            await self._change.wait()

    async def wait_idle(self, timeout: float) -> bool:
        """Until no update is pending; False when real seconds ran out first."""
        try:
            async with asyncio.timeout(timeout):
                while self.pending():
                    self._change.clear()
                    await self._change.wait()
        except TimeoutError:
            return False
        return True
