"""A batch decides on this: what was loaded, changed in memory by each decision, written once at the end.

Whatever `decide` is told here is what the database would say after the decisions so far were written: a batch of a
hundred events gives the decisions that a hundred batches of one would give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contracts.chat_events_v1 import ChatEvent, MessagePosted
from contracts.keys import ChannelKey, MessageKey, PersonKey, PlaceKey
from services.router.decide.changes import after
from services.router.decide.decisions import (
    ECHO_RULE,
    AliasChannel,
    Decision,
    KeepEarly,
    PlacePost,
    Remove,
    Revise,
    Speak,
)
from services.router.decide.known import (
    EarlyChange,
    KnownMessage,
    KnownPlace,
    Speaker,
    StaffMember,
    UnnamedPost,
)
from services.router.view.aliases import Aliases


@dataclass(slots=True)
class Changed:
    """What a batch's decisions changed, as it is to be written."""

    messages: dict[MessageKey, KnownMessage] = field(default_factory=dict)
    conversations: list[KnownPlace] = field(default_factory=list)
    places: dict[PlaceKey, str] = field(default_factory=dict)
    """The latest conversation of a place."""
    place_aliases: dict[PlaceKey, PlaceKey] = field(default_factory=dict)
    speakers: dict[tuple[str, bool], Speaker] = field(default_factory=dict)
    early: list[EarlyChange] = field(default_factory=list)
    caught_up: list[MessageKey] = field(default_factory=list)
    """Messages for which nothing is kept any longer."""
    moved: list[AliasChannel] = field(default_factory=list)


class Overlay:
    """The `View` of one batch."""

    def __init__(self, staff: Mapping[PersonKey, StaffMember], aliases: Aliases) -> None:
        self.aliases = aliases
        self.changed = Changed()
        self.rules: dict[str, str] = {}
        self.messages: dict[MessageKey, KnownMessage] = {}
        self.albums: dict[str, KnownMessage] = {}
        self.places: dict[PlaceKey, KnownPlace] = {}
        self.place_aliases: dict[PlaceKey, PlaceKey] = {}
        self.speakers: dict[tuple[str, bool], Speaker] = {}
        self.kept: dict[MessageKey, list[EarlyChange]] = {}
        self.names: dict[str, str] = {}
        self.unnamed_posts: dict[str, list[UnnamedPost]] = {}
        self._staff = staff

    # --- what decide asks ------------------------------------------------------------------------------------------

    def rule_of(self, event_id: str) -> str | None:
        return self.rules.get(event_id)

    def message(self, key: MessageKey) -> KnownMessage | None:
        return self._message(key, self.aliases)

    def _message(self, key: MessageKey, aliases: Aliases) -> KnownMessage | None:
        for candidate in aliases.messages(key):
            if found := self.messages.get(candidate):
                return found
        return None

    def album(self, channel_key: str, album: str) -> KnownMessage | None:
        return self.albums.get(album_key(channel_key, album))

    def place(self, key: PlaceKey) -> KnownPlace | None:
        for candidate in self.aliases.places(key):
            if found := self.places.get(self.place_aliases.get(candidate, candidate)):
                return found
        return None

    def speaker(self, channel_key: str, *, backfilled: bool) -> Speaker | None:
        for candidate in self.aliases.channels(ChannelKey(channel_key)):
            if found := self.speakers.get((candidate, backfilled)):
                return found
        return None

    def early(self, key: MessageKey) -> Sequence[EarlyChange]:
        return self._early(key, self.aliases)

    def _early(self, key: MessageKey, aliases: Aliases) -> Sequence[EarlyChange]:
        kept = [change for candidate in aliases.messages(key) for change in self.kept.get(candidate, ())]
        return sorted(kept, key=lambda change: change.event.order) if len(kept) > 1 else kept

    def reunited(self, old: ChannelKey, new: ChannelKey) -> Sequence[tuple[KnownMessage, Sequence[EarlyChange]]]:
        aliases = self.aliases.plus(old, new)
        met: dict[MessageKey, KnownMessage] = {}
        for key in self.kept:
            known = self._message(key, aliases)
            if known is not None and self.message(key) is None:
                met[known.key] = known
        return [(known, self._early(known.key, aliases)) for _, known in sorted(met.items())]

    def unnamed(self, channel_key: str) -> Sequence[UnnamedPost]:
        names = self.aliases.channels(ChannelKey(channel_key))
        return [post for name in names for post in self.unnamed_posts.get(name, ())]

    def staff(self, person: PersonKey) -> StaffMember | None:
        return self._staff.get(person)

    def channel_name(self, channel_key: str) -> str | None:
        return self.names.get(channel_key)

    # --- what decisions change -------------------------------------------------------------------------------------

    def apply(self, event: ChatEvent, decisions: Sequence[Decision], traceparent: str | None = None) -> None:
        """The decisions hold from now on. `traceparent` is the event's."""
        self.rules[event.record_id] = rule_of(decisions)
        for decision in decisions:
            match decision:
                case PlacePost():
                    assert isinstance(event, MessagePosted)  # noqa: S101 - only posts are placed
                    self._place(event, decision)
                case Speak():
                    self._speak(decision)
                case Revise() | Remove():
                    known = self.messages.get(decision.message_key)
                    if known is not None:
                        self._keep(after(known, decision))
                case KeepEarly():
                    change = EarlyChange(decision.change, traceparent)
                    self.kept.setdefault(decision.change.message_key, []).append(change)
                    self.changed.early.append(change)
                case AliasChannel():
                    met = self.reunited(decision.old, decision.channel.key)
                    self.aliases = self.aliases.plus(decision.old, decision.channel.key)
                    for known, _ in met:
                        self.caught_up(known.key)
                    self.changed.moved.append(decision)
                case _:
                    pass
        if isinstance(event, MessagePosted) and rule_of(decisions) != ECHO_RULE:
            self.caught_up(event.message_key)

    def _place(self, event: MessagePosted, placed: PlacePost) -> None:
        home = placed.address.key
        if placed.starts:
            place = KnownPlace(home, placed.conversation_id, placed.ticket_id, event.occurred_at)
            self.places[home] = place
            self.changed.conversations.append(place)
            self.changed.places[home] = place.conversation_id
        if placed.alias is not None and placed.alias != home:
            self.place_aliases[placed.alias] = home
            self.changed.place_aliases[placed.alias] = home
        album = None if event.album is None else album_key(event.channel.key, event.album)
        message = KnownMessage(
            event.message_key,
            placed.conversation_id,
            home,
            placed.role,
            False,
            placed.content,
            event.occurred_at,
            album=album,
        )
        self._keep(message)
        if album is not None:
            self.albums.setdefault(album, message)

    def _keep(self, message: KnownMessage) -> None:
        self.messages[message.key] = message
        self.changed.messages[message.key] = message

    def _speak(self, spoke: Speak) -> None:
        """Only forward in platform time for what happens; history is read again from wherever it is read."""
        key = (spoke.channel_key, spoke.backfilled)
        last = self.speakers.get(key)
        if last is None or spoke.backfilled or spoke.at >= last.at:
            self.speakers[key] = self.changed.speakers[key] = Speaker(spoke.person, spoke.at, spoke.place)

    def caught_up(self, key: MessageKey) -> None:
        """The message came, or a receipt or a move told that it is known: nothing is kept for it any longer."""
        for candidate in self.aliases.messages(key):
            if self.kept.pop(candidate, None):
                self.changed.caught_up.append(candidate)
                self.changed.early = [one for one in self.changed.early if one.event.message_key != candidate]


def album_key(channel_key: str, album: str) -> str:
    return f"{channel_key}|{album}"


def rule_of(decisions: Sequence[Decision]) -> str:
    """The rule that names the whole decision: the first one's."""
    first = decisions[0]
    return "speak" if isinstance(first, Speak) else first.rule
