"""What people and agents do, and when: a pure function of the seed.

Every text carries the number of its act, so that a message or reply is known wherever it appears. People stand in Slack
channels and Telegram dialogs; an act on a message comes after the act that wrote it. Which of a channel's tickets an
agent takes is drawn as a number (`pick`): the tickets themselves depend on the run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "post", "edit", "delete", "react", "unreact", "answer", "edit_answer", "delete_answer", "assign", "close"
]
AGENTS_SHARE = 0.15
NAMES = ("thumbsup", "heart", "tada")
"""Reactions that mean nothing to the policy."""
_EMOJI = {"thumbsup": "👍", "heart": "❤", "tada": "🎉"}
WORDS = ("lesson", "deadline", "payment", "invoice", "video", "access", "password", "mentor", "exercise", "thanks")
_RECENT = 400


@dataclass(frozen=True, slots=True)
class Act:
    """One thing done `at` seconds after the start. `target` is the act whose message, reply or thread it is about."""

    number: int
    at: float
    kind: Kind
    channel: int
    person: int
    target: int | None = None
    text: str = ""
    name: str = ""
    pick: int = 0
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Town:
    """How many there are. Channels from `channels` on are dialogs, of which each has one person."""

    channels: int = 200
    dialogs: int = 300
    people: int = 400
    agents: int = 8

    def is_slack(self, channel: int) -> bool:
        return channel < self.channels


@dataclass(slots=True)
class _Message:
    number: int
    channel: int
    person: int
    root: bool
    reactions: set[tuple[int, str]] = field(default_factory=set)


class _Memory:
    """What was written lately, most of it still there."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._messages: list[_Message] = []

    def add(self, message: _Message) -> None:
        self._messages.append(message)
        if len(self._messages) > _RECENT:
            self._messages.pop(0)

    def any(self) -> _Message | None:
        """A message; half of the time one of the very last."""
        if not self._messages:
            return None
        few = self._messages[-12:] if self._chance.random() < 0.5 else self._messages
        return self._chance.choice(few)

    def forget(self, message: _Message) -> None:
        self._messages.remove(message)


def acts(seed: int, town: Town, rate: float) -> Iterator[Act]:
    """Acts without end, `rate` a second on average."""
    return _Writer(random.Random(f"traffic {seed}"), town, rate).acts()


class _Writer:
    def __init__(self, chance: random.Random, town: Town, rate: float) -> None:
        self._chance = chance
        self._town = town
        self._rate = rate
        self._said = _Memory(chance)
        self._answers = _Memory(chance)
        self._roots: dict[int, list[_Message]] = {}
        self._active: list[int] = []

    def acts(self) -> Iterator[Act]:
        at, number = 0.0, 0
        while True:
            at += self._chance.expovariate(self._rate)
            if (act := self._next(number, at)) is not None:
                number += 1
                yield act

    def _next(self, number: int, at: float) -> Act | None:
        if self._active and self._chance.random() < AGENTS_SHARE:
            return self._agent(number, at)
        kind = self._chance.choices(("post", "edit", "delete", "react", "unreact"), (60, 16, 5, 13, 6))[0]
        if kind == "post":
            return self._post(number, at)
        message = self._said.any()
        return None if message is None else self._about(kind, message, number, at)

    def _sentence(self, number: int) -> str:
        return " ".join([*self._chance.choices(WORDS, k=self._chance.choice((3, 6, 12, 40))), f"m{number}"])

    def _post(self, number: int, at: float) -> Act:
        channel = self._chance.randrange(self._town.channels + self._town.dialogs)
        root = None
        if self._town.is_slack(channel):
            person = self._chance.randrange(self._town.people)
            roots = self._roots.setdefault(channel, [])
            if roots and self._chance.random() < 0.6:
                root = self._chance.choice(roots[-4:])
        else:
            person = channel
        made = _Message(number, channel, person, root is None)
        self._said.add(made)
        if root is None and self._town.is_slack(channel):
            self._roots[channel].append(made)
        self._active.append(channel)
        target = None if root is None else root.number
        return Act(number, at, "post", channel, person, target, self._sentence(number))

    def _about(self, kind: str, message: _Message, number: int, at: float) -> Act | None:
        slack = self._town.is_slack(message.channel)
        if kind == "edit":
            text = self._sentence(number)
            return Act(number, at, "edit", message.channel, message.person, message.number, text)
        if kind == "delete":
            if not slack:  # Telegram tells bots of no deletion
                return None
            self._said.forget(message)
            if message.root:
                self._roots[message.channel].remove(message)
            return Act(number, at, "delete", message.channel, message.person, message.number)
        if kind == "react":
            person = self._chance.randrange(self._town.people) if slack else message.person
            name = self._chance.choice(NAMES) if slack else _EMOJI[self._chance.choice(NAMES)]
            if (person, name) in message.reactions or (not slack and message.reactions):
                return None  # a person without Premium has one reaction to a message in Telegram
            message.reactions.add((person, name))
            return Act(number, at, "react", message.channel, person, message.number, name=name)
        if not message.reactions:
            return None
        person, name = self._chance.choice(sorted(message.reactions))
        message.reactions.discard((person, name))
        return Act(number, at, "unreact", message.channel, person, message.number, name=name)

    def _agent(self, number: int, at: float) -> Act | None:
        chance = self._chance
        kind = chance.choices(("answer", "edit_answer", "delete_answer", "assign", "close"), (60, 10, 5, 18, 7))[0]
        agent, pick = chance.randrange(self._town.agents), chance.randrange(1 << 16)
        text = " ".join([*chance.choices(WORDS, k=5), f"a{number}"])
        if kind in {"edit_answer", "delete_answer"}:
            answer = self._answers.any()
            if answer is None:
                return None
            if kind == "delete_answer":
                self._answers.forget(answer)
                return Act(number, at, "delete_answer", answer.channel, agent, answer.number)
            text = f"{text.rpartition(' ')[0]} e{number} a{answer.number}"
            return Act(number, at, "edit_answer", answer.channel, agent, answer.number, text)
        channel = chance.choice(self._active[-200:])
        if kind == "answer":
            self._answers.add(_Message(number, channel, agent, root=False))
            return Act(number, at, "answer", channel, agent, None, text, pick=pick, twice=chance.random() < 0.1)
        return Act(number, at, "assign" if kind == "assign" else "close", channel, agent, pick=pick)
