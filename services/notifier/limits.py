"""The bucket of each channel, in the memory of its partition's owner: never more calls in a window than it allows.

Slack: about one message a second to a channel, short bursts allowed. Telegram: one a second to a chat, 20 a minute to
a group. A call counts from its end, which is never before its arrival there, so unequal journeys can't bring two calls
too close. What a new owner doesn't know of, the platform's 429 tells. Reads no clock: `now` is monotonic, in seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.keys import Platform, native_channel, platform_of

FORGET_AFTER = 120.0
"""Longer than every window: an untouched bucket is full again."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` calls in any `seconds`."""

    count: int
    seconds: float


SLACK_CHANNEL = (Window(3, 3.0),)
"""A burst of three stays inside one a second."""

TELEGRAM_CHAT = (Window(1, 1.0),)
TELEGRAM_GROUP = (Window(1, 1.0), Window(20, 60.0))
UNDER_WAY = float("inf")


def windows_of(channel: str) -> Sequence[Window]:
    """Telegram's groups have negative chat ids."""
    if platform_of(channel) is Platform.SLACK:
        return SLACK_CHANNEL
    return TELEGRAM_GROUP if native_channel(channel).startswith("-") else TELEGRAM_CHAT


def counts(channel: str, errand: str) -> bool:
    """Whether the errand takes from the channel's bucket: Slack's counts posts, Telegram's edits too."""
    return errand == "post" or (errand == "edit" and platform_of(channel) is Platform.TELEGRAM)


@dataclass(slots=True)
class _Bucket:
    calls: deque[float] = field(default_factory=deque)
    held_until: float = 0.0


class ChannelLimits:
    """The channels' buckets of one process."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, channel: str, now: float) -> float:
        """Seconds until the channel takes a call; 0 if it does, infinite while a call under way stands before it."""
        bucket = self._buckets.get(channel)
        if bucket is None:
            return 0.0
        ready = bucket.held_until
        for window in windows_of(channel):
            if len(bucket.calls) >= window.count:
                ready = max(ready, bucket.calls[-window.count] + window.seconds)
        return max(0.0, ready - now)

    def take(self, channel: str) -> None:
        """Count a call that is about to be made."""
        bucket = self._buckets.setdefault(channel, _Bucket())
        bucket.calls.append(UNDER_WAY)
        while len(bucket.calls) > max(window.count for window in windows_of(channel)):
            bucket.calls.popleft()

    def ended(self, channel: str, now: float) -> None:
        """A counted call is over."""
        bucket = self._buckets.get(channel)
        if bucket is not None and UNDER_WAY in bucket.calls:
            bucket.calls[bucket.calls.index(UNDER_WAY)] = now

    def give_back(self, channel: str) -> None:
        """A counted call wasn't made."""
        bucket = self._buckets.get(channel)
        if bucket is not None and UNDER_WAY in bucket.calls:
            bucket.calls.pop()

    def hold(self, channel: str, seconds: float, now: float) -> None:
        """The platform closes the channel's bucket for so long."""
        bucket = self._buckets.setdefault(channel, _Bucket())
        bucket.held_until = max(bucket.held_until, now + seconds)

    def held(self, now: float) -> frozenset[str]:
        """Channels that the platform has closed."""
        return frozenset(channel for channel, bucket in self._buckets.items() if bucket.held_until > now)

    def closed(self, now: float) -> dict[str, float]:
        """Channels that take no call now, with the seconds until they do. Also forgets buckets that are full again."""
        waits = {}
        for channel, bucket in list(self._buckets.items()):
            wait = self.wait(channel, now)
            if wait > 0:
                waits[channel] = wait
            elif not bucket.calls or bucket.calls[-1] < now - FORGET_AFTER:
                del self._buckets[channel]
        return waits
