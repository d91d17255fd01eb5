"""Faults that a tester switches on: they hit API calls or deliveries of updates.

Invariant: a fault acts at most `count` times, with a probability drawn from its own seeded generator, so a run can be
repeated. Faults never change the world: what they break is the talk about it.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sandbox.telegram.errors import ControlError

FaultKind = Literal["delay", "drop", "drop_before", "429", "5xx", "5xx_after", "duplicate"]
"""delay: wait `seconds` first. drop: the effect takes place (an update's request arrives), the answer is cut off.
drop_before: cut off without effect. 429: refuse with `retry_after`. 5xx: refuse with `status`, no effect. 5xx_after:
the effect takes place, the answer says `status`. duplicate (updates only): deliver once more after a 2xx."""
UPDATE_KINDS = frozenset({"delay", "drop", "drop_before", "duplicate"})
UPDATES = "updates"
ANY_METHOD = "*"


@dataclass(slots=True)
class Fault:
    """`target` is a method's name, `*` for any method, or `updates` for deliveries to the bot's webhook; `chat_id` and
    `update_kind` narrow it. Delaying one kind of update lets the others overtake it, as Telegram's queues allow.
    """

    id: int
    target: str
    kind: FaultKind
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    retry_after: int = 1
    status: int = 500
    chat_id: int | None = None
    update_kind: str | None = None
    hits: int = 0
    generator: random.Random = field(default_factory=random.Random, repr=False)

    def strikes(self, target: str, chat_id: int | None, update_kind: str | None) -> bool:
        """Whether it acts on this call, counting it if so."""
        if self.target != target and not (self.target == ANY_METHOD and target != UPDATES):
            return False
        if self.chat_id not in {None, chat_id} or self.update_kind not in {None, update_kind}:
            return False
        if (self.count is not None and self.hits >= self.count) or self.generator.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def view(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "generator"}


class Faults:
    """The faults switched on, in the order of switching."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._ids = itertools.count(1)

    def add(self, target: str, kind: FaultKind, **options: Any) -> Fault:
        """Switch a fault on; raises `ControlError` for what makes no sense."""
        if kind not in get_args(FaultKind):
            raise ControlError(f"unknown fault kind {kind!r}; known: {', '.join(get_args(FaultKind))}")
        if target == UPDATES and kind not in UPDATE_KINDS:
            raise ControlError(f"updates can suffer {', '.join(sorted(UPDATE_KINDS))}, not {kind}")
        if target != UPDATES and kind == "duplicate":
            raise ControlError("only updates can be duplicated")
        fault = Fault(next(self._ids), target, kind, **options)
        fault.generator.seed(fault.seed)
        self._faults[fault.id] = fault
        return fault

    def remove(self, fault_id: int) -> None:
        if self._faults.pop(fault_id, None) is None:
            raise ControlError(f"no fault {fault_id}", status=404)

    def clear(self) -> None:
        self._faults.clear()

    def all(self) -> list[Fault]:
        return list(self._faults.values())

    def strike(self, target: str, chat_id: int | None = None, update_kind: str | None = None) -> list[Fault]:
        """The faults that act on this call or delivery."""
        if not self._faults:
            return []
        return [fault for fault in self._faults.values() if fault.strikes(target, chat_id, update_kind)]
