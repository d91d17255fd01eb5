"""What is known about a campaign when nothing is under way any more: what was done, and what each part shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["acknowledged", "failed", "unknown"]
Json = Mapping[str, Any]
OF_NO_RECORD = (-1, -1)
"""Partition and offset of a dead letter that ingest wrote of a payload: it never was a record."""
WRITTEN = ("log", "span", "metrics", "command line", "topic", "dead letter", "table", "answer")
"""What every campaign's stack writes."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An act as its doer saw it. `message` is what it made or changed; `reply` and `replies` likewise, of a reply."""

    act: int
    kind: str
    outcome: Outcome
    channel: str = ""
    text: str = ""
    message: str | None = None
    person: str = ""
    name: str = ""
    thread: str | None = None
    ticket: str = ""
    replies: tuple[str, ...] = ()
    tag: str = ""
    seen_tags: tuple[str, ...] = ()
    seen_revision: int = 0
    asked_at: float = 0.0
    ended_at: float = 0.0

    @property
    def done(self) -> bool:
        return self.outcome == "acknowledged"

    @property
    def possible(self) -> bool:
        return self.outcome != "failed"


@dataclass(frozen=True, slots=True)
class Event:
    """A record of chat.events."""

    id: str
    type: str
    channel: str
    partition: int
    offset: int
    message: str = ""
    text: str = ""
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A record of ticket.commands; `decided` is the event's partition and offset from which it was decided."""

    id: str
    event: str
    decided: tuple[int, int]
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Change:
    """A record of ticket.events, in the topic's order; `at` is when its relay published it, by that one's clock."""

    ticket: str
    version: int
    kind: str
    message: str | None = None
    cause: str = ""
    tags: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str
    version: int
    revision: int
    history: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A row of ticketing's messages: `keys` and `state` of a reply's delivery."""

    id: str
    ticket: str
    kind: str
    text: str
    deleted: bool = False
    context: bool = False
    conversation: str | None = None
    state: str | None = None
    operation_state: str | None = None
    code: str | None = None
    keys: tuple[str, ...] = ()
    reactions: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Post:
    """A message in a simulated chat, in the chat's order."""

    channel: str
    key: str
    text: str
    ours: bool
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    consumer: str
    topic: str
    partition: int
    offset: int
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Faults that held from `began` to `ended` and were recovered from `seconds` later."""

    faults: tuple[str, ...]
    began: float
    ended: float
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended by itself, and the last that it said."""

    process: str
    at: float
    said: str = ""


@dataclass(frozen=True, slots=True)
class SetBack:
    """A position that moved backwards."""

    consumer: str
    topic: str
    partition: int
    before: int
    after: int
    at: str = ""


@dataclass(frozen=True, slots=True)
class Leased:
    """A lease of ticketing that got a new token: another holder, or the same after it was started again."""

    name: str
    holder: str
    at: float


@dataclass(frozen=True, slots=True)
class Told:
    """Something that must not be told, in a place of a kind; `shown` is its line without secrets, cut around it."""

    kind: str
    place: str
    line: int
    what: str
    shown: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Facts:
    """Lists keep the order of the log, topic or chat. `given_up` are messages of which Slack gave up an event,
    `searched` the bytes of each kind in which what was told was looked for.
    """

    seed: int
    operations: Sequence[Operation] = ()
    events: Sequence[Event] = ()
    decisions: Sequence[str] = ()
    commands: Sequence[Command] = ()
    changes: Sequence[Change] = ()
    tickets: Sequence[Ticket] = ()
    messages: Sequence[Message] = ()
    posts: Sequence[Post] = ()
    dead_letters: Sequence[DeadLetter] = ()
    poison: frozenset[tuple[str, int, int]] = frozenset()
    maybe_poisoned: frozenset[str] = frozenset()
    given_up: frozenset[str] = frozenset()
    set_back: Sequence[SetBack] = ()
    leased: Sequence[Leased] = ()
    positions: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)
    troubles: Sequence[Trouble] = ()
    ended: Sequence[Ended] = ()
    told: Sequence[Told] = ()
    searched: Mapping[str, int] = field(default_factory=dict)
    under_way: str | None = None
