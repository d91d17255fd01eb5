"""What waits for a bot: its updates, handed out by webhook or by getUpdates.

Invariant: an update stays here until the bot has it (a 2xx, or an offset that confirms it) or 24 hours have passed
(150 seconds for a callback query); a webhook and a poll never both hand out updates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.clock import Clock
from sandbox.telegram.errors import OTHER_POLL, POLL_ENDED_BY_WEBHOOK, WEBHOOK_ACTIVE, ApiError, conflict
from sandbox.telegram.schema import spec

DAY = 86_400.0
LIFETIME = {"callback_query": 150.0}
NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
QUEUES = {
    "message": "chat",
    "edited_message": "chat",
    "channel_post": "chat",
    "edited_channel_post": "chat",
    "business_message": "chat",
    "edited_business_message": "chat",
    "deleted_business_messages": "chat",
}
"""Messages and their edits share a chat's queue; every other kind has queues of its own, so kinds may overtake."""

QueueKey = tuple[str, int]


@dataclass(slots=True)
class Update:
    """An update as it was when the thing happened: `body` is its JSON, made once."""

    id: int
    kind: str
    chat_id: int
    queue: QueueKey
    body: bytes
    expires_at: float
    delay: float = 0.0
    attempts: int = 0


@dataclass(slots=True)
class Webhook:
    """What setWebhook was told, and what came of it."""

    url: str
    secret_token: str | None = None
    max_connections: int = 40
    ip_address: str | None = None
    has_custom_certificate: bool = False
    last_error_date: int | None = None
    last_error_message: str | None = None

    def same_as(self, other: Webhook) -> bool:
        """Setting one over the other changes nothing."""
        mine, others = (
            (one.url, one.secret_token, one.max_connections, one.ip_address, one.has_custom_certificate)
            for one in (self, other)
        )
        return mine == others


@dataclass(slots=True)
class UpdateFeed:
    """One bot's updates. `on_change` is called whenever something was added, handed over or dropped."""

    clock: Clock
    next_id: int
    on_change: Callable[[], None]
    pending: dict[int, Update] = field(default_factory=dict)
    allowed: frozenset[str] | None = None
    webhook: Webhook | None = None
    on_add: Callable[[Update], None] | None = None
    _poll: asyncio.Future[None] | None = None

    def allows(self, kind: str) -> bool:
        return kind not in NOT_BY_DEFAULT if self.allowed is None else kind in self.allowed

    def allow(self, kinds: list[str] | None) -> None:
        """None keeps what was set before; an empty list goes back to the default; unknown names are ignored."""
        if kinds is not None:
            known = frozenset(kinds) & frozenset(spec()["update_kinds"])
            self.allowed = known or None

    def add(self, kind: str, payload: dict[str, Any], *, chat_id: int, queue_id: int | None = None) -> Update | None:
        """Queue an update, if the bot wants this kind."""
        if not self.allows(kind):
            return None
        update = Update(
            id=self.next_id,
            kind=kind,
            chat_id=chat_id,
            queue=(QUEUES.get(kind, kind), chat_id if queue_id is None else queue_id),
            body=orjson.dumps({"update_id": self.next_id, kind: payload}),
            expires_at=self.clock.elapsed() + LIFETIME.get(kind, DAY),
        )
        self.next_id += 1
        self.pending[update.id] = update
        if self.on_add is not None:
            self.on_add(update)
        elif self._poll is not None and not self._poll.done():
            self._poll.set_result(None)
        self.on_change()
        return update

    def forget(self, update_id: int) -> None:
        self.pending.pop(update_id, None)
        self.on_change()

    def drop_expired(self) -> None:
        now = self.clock.elapsed()
        for update in [u for u in self.pending.values() if u.expires_at <= now]:
            self.forget(update.id)

    def abort_poll(self, reason: ApiError) -> None:
        """End the poll under way, if any, with a refusal."""
        if self._poll is not None and not self._poll.done():
            self._poll.set_exception(reason)
        self._poll = None

    def begin_webhook(self, webhook: Webhook) -> None:
        self.abort_poll(conflict(POLL_ENDED_BY_WEBHOOK))
        self.webhook = webhook

    async def poll(self, offset: int, limit: int, timeout: float) -> list[Update]:
        """getUpdates: `offset` confirms everything before it; negative keeps the last N and forgets the rest."""
        if self.webhook is not None:
            raise conflict(WEBHOOK_ACTIVE)
        self.abort_poll(conflict(OTHER_POLL))
        self._confirm(offset)
        self.drop_expired()
        if not self.pending and timeout > 0:
            await self._wait(timeout)
            self.drop_expired()
        return list(self.pending.values())[:limit]

    def _confirm(self, offset: int) -> None:
        ids = list(self.pending)
        confirmed = ids[:offset] if offset < 0 else [i for i in ids if i < offset]
        for update_id in confirmed:
            self.forget(update_id)

    async def _wait(self, timeout: float) -> None:
        """Until an update comes or the real seconds are over; raises the conflict when another poll begins."""
        poll: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._poll = poll
        timer = asyncio.ensure_future(self.clock.sleep(timeout * self.clock.speed))
        try:
            await asyncio.wait({poll, timer}, return_when=asyncio.FIRST_COMPLETED)
            if poll.done():
                poll.result()
        finally:
            timer.cancel()
            if self._poll is poll:
                self._poll = None
