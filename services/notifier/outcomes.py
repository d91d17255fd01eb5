"""What became of one call to a platform. Senders return these values; the worker alone acts on them.

The difference that everything hangs on: `Later` surely didn't happen, `Doubtful` may have happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from contracts.chat import Place
from contracts.chat_receipts_v1 import DeliveryError
from contracts.keys import ChannelKey, MessageKey


@dataclass(frozen=True, slots=True)
class Posted:
    """The message is in the chat under this key."""

    key: MessageKey


@dataclass(frozen=True, slots=True)
class Done:
    """The change or removal is made, or wasn't needed any more."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: trying again can't help."""

    error: DeliveryError


@dataclass(frozen=True, slots=True)
class Later:
    """Surely not done; worth another try. `held_seconds`: the platform told how long its bucket is closed."""

    error: DeliveryError
    held_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Perhaps done. `answered`: the platform has finished with the request and said something that tells neither."""

    error: DeliveryError
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """Not done: the channel has another key now."""

    channel: ChannelKey


@dataclass(frozen=True, slots=True)
class Found:
    """Read back: the message is there, `copies` (later ones) too."""

    key: MessageKey
    copies: tuple[MessageKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """Read back: it isn't there."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """It can't be read back, now or ever."""

    error: DeliveryError


PostOutcome: TypeAlias = Posted | Refused | Later | Doubtful | Moved
ChangeOutcome: TypeAlias = Done | Refused | Later | Doubtful
ReadOutcome: TypeAlias = Found | Absent | Unreadable | Later


@dataclass(frozen=True, slots=True)
class Content:
    """One message as the platform's API takes it."""

    text: str
    entities: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where and as what a part is posted. `part` counts from 0; `channel` is resolved through aliases."""

    delivery_id: str
    part: int
    channel: ChannelKey
    place: Place


class Sender(Protocol):
    """One platform. Every method is one call (reading back: a few) and raises nothing but programming errors."""

    timeout: float
    """Seconds after which a call is given up."""

    keeps_messages: bool
    """Whether messages keep their ids when their channel gets another."""

    async def open(self) -> None: ...
    def render(self, text: str, mentions: Sequence[object]) -> list[Content]: ...
    async def post(self, target: Target, content: Content) -> PostOutcome: ...
    async def update(self, key: MessageKey, content: Content) -> ChangeOutcome: ...
    async def remove(self, key: MessageKey) -> ChangeOutcome: ...
    async def find(self, target: Target, since: float) -> ReadOutcome: ...
    async def close(self) -> None: ...
