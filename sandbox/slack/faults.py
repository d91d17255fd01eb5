"""Faults that a tester switches on: which calls or events they hit is decided by count or by a seeded chance.

A fault never changes what the simulation believes: a dropped response or an internal error after the effect leaves the
message where it is, as on the real platform.
"""

import itertools
import random
from dataclasses import dataclass, field

from sandbox.slack.errors import SlackError
from sandbox.slack.model import Json

CALL_KINDS = frozenset({"delay", "drop", "rate_limit", "http_error", "api_error"})
EVENT_KINDS = frozenset({"delay", "duplicate", "reorder", "lose"})
EVENTS = "events"


@dataclass(slots=True)
class Fault:
    """One switched fault.

    `target`: a method (`chat.postMessage`), `*` for all methods, or `events`.
    `kind`: for calls `delay` (`seconds`), `drop` (the connection is cut), `rate_limit` (429, `retry_after`),
    `http_error` (`status`), `api_error` (`error`); for events `delay`, `duplicate`, `reorder` (held back for
    `seconds` while later ones overtake), `lose`.
    `effect`: whether a call's effect takes place although its answer fails; `channel`: only calls or events there;
    `event_type`: only events of this type or message subtype; `skip`: spares so many first; `times`: hits at most so
    many (None: until removed); `probability` with `seed`: hits by chance.
    """

    target: str
    kind: str
    seconds: float = 0.0
    retry_after: int = 1
    status: int = 503
    error: str = "internal_error"
    effect: bool = False
    channel: str | None = None
    event_type: str | None = None
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    id: int = 0
    hits: int = 0
    dice: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        allowed = EVENT_KINDS if self.target == EVENTS else CALL_KINDS
        if self.kind not in allowed:
            raise SlackError("unknown_fault", allowed=sorted(allowed))
        self.dice = random.Random(self.seed)

    def strikes(self) -> bool:
        """Whether it hits this time; counts."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        if self.probability < 1 and self.dice.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def json(self) -> Json:
        """Everything about it but the dice."""
        names = (name for name in self.__slots__ if name != "dice")
        return {name: getattr(self, name) for name in names}


class Faults:
    """The faults switched on at the moment."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Switches a fault on; its id switches it off."""
        fault.id = next(self._ids)
        self._faults[fault.id] = fault
        return fault

    def remove(self, fault_id: int) -> bool:
        """Switches one off; False if it wasn't on."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Switches all off."""
        self._faults.clear()

    def list(self) -> list[Fault]:
        """All that are on, with their counts of hits."""
        return list(self._faults.values())

    def for_call(self, method: str, channel: str | None) -> Fault | None:
        """The first fault that hits a call of the method."""
        for fault in self._faults.values():
            here = fault.channel is None or fault.channel == channel
            if fault.target in (method, "*") and here and fault.strikes():
                return fault
        return None

    def for_event(self, event: Json, lane: str) -> Fault | None:
        """The first fault that hits an event."""
        for fault in self._faults.values():
            kinds = (event.get("type"), event.get("subtype"))
            of_type = fault.event_type is None or fault.event_type in kinds
            here = fault.channel is None or fault.channel == lane
            if fault.target == EVENTS and of_type and here and fault.strikes():
                return fault
        return None
