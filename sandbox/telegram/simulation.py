"""One simulated Telegram: a platform, the people who act on it and the Bot API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.clock import Clock
from sandbox.telegram.actions import Actions
from sandbox.telegram.limits import RateLimits
from sandbox.telegram.methods import dispatch
from sandbox.telegram.platform import DEFAULT_LIMITS, Platform
from sandbox.telegram.world import BotIdentity


class Simulation(Platform):
    """`async with Simulation() as telegram:` or `close()` at the end."""

    def __init__(
        self,
        bots: Sequence[BotIdentity] = (BotIdentity(),),
        *,
        clock: Clock | None = None,
        rate_limits: RateLimits | None = DEFAULT_LIMITS,
        local_mode: bool = True,
        topic_root_replies: bool = True,
    ) -> None:
        super().__init__(
            bots,
            execute=self.call,
            clock=clock,
            rate_limits=rate_limits,
            local_mode=local_mode,
            topic_root_replies=topic_root_replies,
        )
        self.actions = Actions(self)

    async def call(self, bot: BotIdentity, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Execute a method of the Bot API; the answer's `result` (and `description`). Raises `ApiError`."""
        return await dispatch(self, bot, method, arguments)
