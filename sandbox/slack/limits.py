"""The Web API's rate limits: per method and workspace a sliding minute, and for posts one a second a channel.

An answer of 429 tells in `Retry-After` (whole seconds) when the next call would be let through. Refused calls count
for nothing.
"""

from collections import defaultdict, deque
from math import ceil

from sandbox.clock import Clock
from sandbox.slack.settings import Settings

WINDOW_SECONDS = 60.0
TIER_2, TIER_3, TIER_4 = 20, 50, 100
DEFAULT_TIER = TIER_3
PER_MINUTE = {
    "bots.info": TIER_3,
    "chat.delete": TIER_3,
    "chat.getPermalink": 600,  # "special": several hundred a minute
    "chat.update": TIER_3,
    "conversations.history": TIER_3,
    "conversations.info": TIER_3,
    "conversations.join": TIER_3,
    "conversations.leave": TIER_3,
    "conversations.list": TIER_2,
    "conversations.members": TIER_4,
    "conversations.open": TIER_3,
    "conversations.replies": TIER_3,
    "files.completeUploadExternal": TIER_4,
    "files.getUploadURLExternal": TIER_4,
    "files.info": TIER_4,
    "reactions.add": TIER_3,
    "reactions.get": TIER_3,
    "reactions.remove": TIER_2,
    "users.conversations": TIER_3,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "users.lookupByEmail": TIER_3,
    "auth.test": 600,  # "special": hundreds a minute
    "api.test": TIER_4,
    "apps.connections.open": TIER_3,  # sources differ between tier 1 and 3
}
OUTSIDE_MARKETPLACE = {"conversations.history": 1, "conversations.replies": 1}


class Limits:
    """Counts the calls that were let through."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)
        self._posts: dict[str, tuple[float, float]] = {}

    def allow(self, method: str, channel: str | None) -> int:
        """0 to let a call through and count it, else the seconds for `Retry-After`."""
        if not self._settings.rate_limits:
            return 0
        now = self._clock.elapsed()
        wait = self._window(method, now)
        if method == "chat.postMessage" and channel is not None:
            wait = max(wait, self._bucket(channel, now))
        if wait > 0:
            return ceil(wait)
        self._calls[method].append(now)
        if method == "chat.postMessage" and channel is not None:
            tokens, _ = self._posts[channel]
            self._posts[channel] = (tokens - 1, now)
        return 0

    def reset(self) -> None:
        """Forgets all counts."""
        self._calls.clear()
        self._posts.clear()

    def _window(self, method: str, now: float) -> float:
        calls = self._calls[method]
        while calls and calls[0] <= now - WINDOW_SECONDS:
            calls.popleft()
        limit = PER_MINUTE.get(method, DEFAULT_TIER)
        if method == "chat.postMessage":
            limit = self._settings.posts_per_minute
        elif not self._settings.marketplace:
            limit = OUTSIDE_MARKETPLACE.get(method, limit)
        return calls[-limit] + WINDOW_SECONDS - now if len(calls) >= limit else 0.0

    def _bucket(self, channel: str, now: float) -> float:
        burst = float(self._settings.post_burst)
        tokens, since = self._posts.get(channel, (burst, now))
        tokens = min(burst, tokens + now - since)
        self._posts[channel] = (tokens, now)
        return 1.0 - tokens if tokens < 1.0 else 0.0
