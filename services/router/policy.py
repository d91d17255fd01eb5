"""The policy made ready for use: which rules hold in a channel, and which automatic answer a message fires.

Pure. The same document and channel always give the same rules: the defaults with every matching override laid over
them in the document's order. Results are kept per channel, so that a decision costs a look-up.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import translate

from contracts.chat import Channel, Command
from contracts.desk_policy_v1 import AutomaticAnswer, Match, OpenOn, Override, Policy, Rules
from contracts.quoting import own_words

BUILT_IN_VERSION = 0
_FIELDS = tuple(name for name in Override.model_fields if name != "match")
_MOST_CHANNELS = 20_000


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """The rules of one channel, with its words and automatic answers compiled."""

    rules: Rules
    keywords: re.Pattern[str] | None
    bots: frozenset[str]
    answers: tuple["_Answer", ...]

    def listed(self, person_key: str, bot_id: str | None) -> bool:
        """Whether another bot's messages count as a customer's."""
        return person_key in self.bots or (bot_id is not None and bot_id in self.bots)

    def answer(self, text: str, command: Command | None) -> AutomaticAnswer | None:
        """The first answer of the document that the message fires; its command counts before its words."""
        if command is not None:
            for answer in self.answers:
                if command.name in answer.commands:
                    return answer.document
        own = own_words(text)
        for answer in self.answers:
            if answer.words is not None and answer.words.search(own):
                return answer.document
        return None

    def opens(self, text: str, *, mentions_us: bool, dialog: bool) -> bool:
        """Whether a message of its own opens a ticket here."""
        match self.rules.open_on:
            case OpenOn.MESSAGE:
                return True
            case OpenOn.MENTION:
                return mentions_us or dialog
            case OpenOn.KEYWORD:
                return self.keywords is not None and self.keywords.search(own_words(text)) is not None
            case _:
                return False


@dataclass(frozen=True, slots=True)
class _Answer:
    document: AutomaticAnswer
    commands: frozenset[str]
    words: re.Pattern[str] | None


@dataclass(slots=True)
class ReadyPolicy:
    """A policy's version with its document. `channel` gives what holds in a channel."""

    version: int
    document: Policy
    _channels: dict[tuple[str, str, str | None, str], ChannelRules] = field(default_factory=dict)

    def channel(self, channel: Channel, name: str | None = None) -> ChannelRules:
        """`name` is the profile's, used where the event doesn't tell the channel's name."""
        name = channel.name or name
        key = (channel.key, channel.workspace, name, channel.type)
        found = self._channels.get(key)
        if found is None:
            if len(self._channels) >= _MOST_CHANNELS:
                self._channels.clear()
            found = self._channels[key] = _ready(self.document, channel, name)
        return found


BUILT_IN = ReadyPolicy(BUILT_IN_VERSION, Policy())
"""Serves until a policy is applied."""


def rules_for(document: Policy, channel: Channel, name: str | None = None) -> Rules:
    """The defaults with the matching overrides laid over them; the later override wins."""
    laid = {
        field: getattr(override, field)
        for override in document.overrides
        if matches(override.match, channel, name)
        for field in _FIELDS
        if getattr(override, field) is not None
    }
    return document.defaults.model_copy(update=laid) if laid else document.defaults


def matches(match: Match, channel: Channel, name: str | None = None) -> bool:
    """All given fields must match. Names are compared in any case; a channel without a name matches no pattern.

    A field of a later version matches nothing: without it the rest would match too much.
    """
    name = channel.name or name
    return (
        not match.model_extra
        and match.platform in (None, channel.platform)
        and match.workspace in (None, channel.workspace)
        and match.type in (None, channel.type)
        and (match.channel is None or _like(match.channel, channel.key))
        and (match.name is None or (name is not None and _like(match.name.casefold(), name.casefold())))
    )


def _ready(document: Policy, channel: Channel, name: str | None) -> ChannelRules:
    rules = rules_for(document, channel, name)
    return ChannelRules(
        rules,
        whole_words(rules.keywords),
        frozenset(rules.bots),
        tuple(
            _Answer(
                answer,
                frozenset(command.removeprefix("/").lower() for command in answer.commands),
                whole_words(answer.words),
            )
            for answer in document.answers
            if answer.match is None or matches(answer.match, channel, name)
        ),
    )


def whole_words(words: Iterable[str]) -> re.Pattern[str] | None:
    """Finds any of the words or phrases, in any case, not inside a longer word."""
    escaped = [r"\s+".join(map(re.escape, parts)) for word in words if (parts := word.split())]
    return re.compile(rf"(?<!\w)(?:{'|'.join(escaped)})(?!\w)", re.IGNORECASE) if escaped else None


def _like(pattern: str, value: str) -> bool:
    return re.match(translate(pattern), value) is not None
