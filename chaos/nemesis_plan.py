"""Which faults come in which order, and how long each holds: a pure function of the seed. How many rounds a campaign
gets to depends on how fast the stack recovers; their order doesn't.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from contracts.topics import TOPICS

Group = Literal["processes", "points", "servers", "platforms", "poison", "network", "clocks", "expiry", "versions",
                "backups"]  # fmt: skip
GROUPS: tuple[Group, ...] = (
    "processes", "points", "servers", "platforms", "poison", "network", "clocks", "expiry", "versions", "backups",
)  # fmt: skip
PROCESSES = (
    "ingest-slack-0", "ingest-slack-1", "ingest-telegram-0", "ingest-telegram-1", "ingest-worker", "router-0",
    "router-1", "ticketing-worker-0", "ticketing-worker-1", "ticketing-api", "notifier-0", "notifier-1",
)  # fmt: skip
POISONED = (
    "chat.events.v1", "chat.requests.v1", "chat.profiles.v1", "ticket.commands.v1", "ticket.events.v1", "desk.staff.v1",
    "desk.policy.v1", "chat.replies.v1", "chat.receipts.v1",
)  # fmt: skip
"""Every topic that is read."""
EXPIRING = tuple(name for name, topic in TOPICS.items() if not topic.compacted)
PLATFORM_FAULTS = (
    "slack answer lost", "slack cut", "slack 429", "slack 5xx", "slack 5xx after", "slack slow", "slack duplicates",
    "slack reorders", "slack late", "telegram answer lost", "telegram 429", "telegram 5xx", "telegram 5xx after",
    "telegram slow", "telegram duplicates", "telegram unheard", "telegram cut",
)  # fmt: skip
_CONSUMER, _RELAY = ("polled", "handled", "committed", "settled"), ("taken", "relayed")


def _points(consumer: str, relay: str | None, *more: str) -> tuple[str, ...]:
    relays = () if relay is None else tuple(f"{relay}.{point}" for point in _RELAY)
    return (*(f"{consumer}.{point}" for point in _CONSUMER), *relays, *more)


_ROUTER = _points("router", "relay", "router.published")
_TICKETING = _points("ticketing", "relay", "ticketing.receipts_applied")
_NOTIFIER = _points("notifier", "notifier", "notifier.leased", "notifier.posted", "notifier.recorded")
POINTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(PROCESSES[:4], ("ingest.published",)),
    "ingest-worker": _points("ingest-worker", "relay"),
    "router-0": _ROUTER, "router-1": _ROUTER,
    "ticketing-worker-0": _TICKETING, "ticketing-worker-1": _TICKETING,
    "ticketing-api": ("ticketing-api.handled", "ticketing-api.committed"),
    "notifier-0": _NOTIFIER, "notifier-1": _NOTIFIER,
}  # fmt: skip
"""The fault points at which a process can be killed or stopped in the very moment."""
LINKS = (
    "platforms to ingest-slack", "platforms to ingest-telegram", "agents to ticketing-api",
    *(f"{name} to kafka" for name in PROCESSES if name != "ticketing-api"),
    *(f"{name} to postgres" for name in PROCESSES[4:]),
    *(f"{name} to platforms" for name in ("ingest-worker", "notifier-0", "notifier-1")),
)  # fmt: skip
"""The connections between parts that carry something, each through a proxy of its own (chaos.links)."""
SERVERS = ("kafka", "postgres")
HELD_BACK = ("stall", "mute", "deaf")
DELAYS = (0.05, 0.8)
"""Seconds that each piece is late."""
JUMPS = (2.0, 60.0, 600.0, 3600.0)
"""Seconds by which a clock is set forward or back. Slack's signatures are good for 300."""
BRIEF, BEYOND_EVERY_LEASE = (1.0, 8.0), (32.0, 38.0)
"""Seconds that something holds. PostgreSQL ends idle transactions after 30 s; sessions and leases end sooner."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`how` is kill, stop (SIGSTOP, then SIGCONT), restart, platform, poison, clock, expire (a topic's records that all
    its readers are past), swap (a process's code for the other version's), set back (a backup is made, or taken where
    there is one), or what happens to a link: cut, refuse, late, stall, mute (what is said there stalls), deaf (what
    comes back does). It begins after `delay` seconds, at the
    next passing of `point` where there is one, and holds for `seconds`. `by` is by how many seconds a clock is wrong,
    or what passes a link is late.
    """

    group: Group
    how: str
    target: str
    seconds: float
    delay: float = 0.0
    point: str | None = None
    by: float = 0.0

    @property
    def name(self) -> str:
        more = f" at {self.point}" if self.point else f" by {self.by:g} s" if self.how == "clock" else ""
        return f"{self.how} {self.target}{more}"


@dataclass(frozen=True, slots=True)
class Round:
    """Faults at once, after a pause."""

    number: int
    pause: float
    faults: tuple[Fault, ...]


def rounds(seed: int, groups: Sequence[Group] = GROUPS) -> Iterator[Round]:
    """Rounds without end. Two in five have several faults; a target has one at a time, and a set back is alone."""
    chance = random.Random(f"nemesis {seed}")
    number = 0
    while True:
        count = chance.choices((1, 2, 3), (0.6, 0.3, 0.1))[0]
        chosen: dict[str, Fault] = {}
        for _ in range(count):
            fault = replace(_fault(chance, groups), delay=chance.uniform(0.0, 3.0) if chosen else 0.0)
            chosen.setdefault(fault.target, fault)
        alone = tuple(fault for fault in chosen.values() if fault.group == "backups")
        yield Round(number, chance.uniform(1.0, 4.0), alone or tuple(chosen.values()))
        number += 1


def _fault(chance: random.Random, groups: Sequence[Group]) -> Fault:
    weights = {"processes": 4, "points": 3, "servers": 1.5, "platforms": 3, "poison": 1, "network": 2.5, "clocks": 1,
               "expiry": 0.7, "versions": 1.5, "backups": 1.5}  # fmt: skip
    group = chance.choices(groups, [weights[one] for one in groups])[0]
    brief = chance.uniform(*BRIEF)
    match group:
        case "processes" | "points":
            how = chance.choices(("kill", "stop", "restart"), (4, 3, 0 if group == "points" else 1))[0]
            beyond = how == "stop" and chance.random() < 0.3
            seconds = chance.uniform(*BEYOND_EVERY_LEASE) if beyond else brief
            target = chance.choice(PROCESSES)
            point = chance.choice(POINTS[target]) if group == "points" else None
            return Fault(group, how, target, seconds, point=point)
        case "servers":
            server = chance.choice(SERVERS)
            return Fault(group, chance.choice(("kill", "restart")), server, brief)
        case "platforms":
            return Fault(group, "platform", chance.choice(PLATFORM_FAULTS), brief)
        case "network":
            how, link = chance.choice(("cut", "refuse", "late", *HELD_BACK)), chance.choice(LINKS)
            beyond = how in HELD_BACK and link.endswith(SERVERS) and chance.random() < 0.3
            seconds = chance.uniform(*BEYOND_EVERY_LEASE) if beyond else brief
            return Fault(group, how, link, seconds, by=chance.uniform(*DELAYS) if how == "late" else 0.0)
        case "clocks":
            by = chance.choice(JUMPS) * chance.choice((1, -1))
            return Fault(group, "clock", chance.choice(PROCESSES), brief, by=by)
        case "expiry":
            return Fault(group, "expire", chance.choice(EXPIRING), 0.0)
        case "backups":
            return Fault(group, "set back", "postgres", 0.0)
        case "versions":
            return Fault(group, "swap", chance.choice(PROCESSES), brief)
        case _:
            return Fault("poison", "poison", chance.choice(POISONED), 0.0)
