"""The tickets and messages that one transaction concerns, and what was done to them. Grows as commands are applied.

The store fills it with everything the commands can touch, before the first is applied, and writes what changed after
the last. So the rules run in memory, in order, and each row is written once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from contracts.chat import Channel, Place
from contracts.chat_receipts_v1 import DeliveryChanged
from contracts.keys import (
    ChannelKey,
    MessageKey,
    PersonKey,
    Platform,
    channel_of_message,
    channel_of_place,
    message_id_of,
    message_key,
    place_key,
    thread_of_place,
)
from contracts.ticket_commands_v1 import RecordReaction, RemoveMessage, ReviseMessage
from contracts.ticket_events_v1 import Revision
from services.ticketing.domain.change import TicketChange
from services.ticketing.domain.ticket import Message, Ticket


class Aliases:
    """Channels that got a new key. Only Slack keeps threads and messages over that, so only its keys carry over."""

    def __init__(self, new_of: Iterable[tuple[str, str]] = ()) -> None:
        self._new_of = dict(new_of)

    def add(self, old: ChannelKey, new: ChannelKey) -> None:
        self._new_of = {key: new if target == old else target for key, target in self._new_of.items()} | {old: new}

    def current(self, channel_key: str) -> ChannelKey:
        return ChannelKey(self._new_of.get(channel_key, channel_key))

    def former(self, channel_key: str) -> list[ChannelKey]:
        return [ChannelKey(old) for old, new in self._new_of.items() if new == channel_key]

    def place(self, key: str) -> str:
        """The place key that tickets have now."""
        channel = channel_of_place(key)
        if channel not in self._new_of or not channel.startswith(Platform.SLACK):
            return key
        return place_key(self._new_of[channel], thread_of_place(key))

    def message_keys(self, key: str) -> list[MessageKey]:
        """The keys under which a message may be stored: its own and those of the channel's other names."""
        found = [MessageKey(key)]
        channel = channel_of_message(key)
        if self._new_of and channel.startswith(Platform.SLACK):
            current = self.current(channel)
            names = [current, *self.former(current)]
            found += [message_key(name, message_id_of(key)) for name in names if name != channel]
        return found


MessageChange = ReviseMessage | RemoveMessage | RecordReaction


@dataclass(frozen=True, slots=True)
class EarlyChange:
    """A change whose message isn't there yet, under its own trace."""

    command: MessageChange
    traceparent: str | None


@dataclass(slots=True)
class Done:
    """What became of a command, for the ledger."""

    command_id: str
    outcome: str
    ticket_id: str | None


@dataclass(slots=True)
class Book:
    """`numbers` are fresh ticket numbers, at least as many as tickets can be opened."""

    tickets: dict[str, Ticket] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """Place key -> the ticket that counts there: the active one, else the one that ended last."""
    messages: dict[str, Message] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    """Keys of messages that exist, whether they were loaded or not."""
    posted: dict[str, str] = field(default_factory=dict)
    """Message key of one of our posts -> the reply's id."""
    names: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, str] = field(default_factory=dict)
    """Person key -> contact id, where it isn't the derived one."""
    applied: set[str] = field(default_factory=set)
    early_receipts: dict[str, DeliveryChanged] = field(default_factory=dict)
    early_changes: dict[str, dict[str, EarlyChange]] = field(default_factory=dict)
    """Message key -> command id -> what is to be done to the message when it comes."""
    numbers: list[int] = field(default_factory=list)
    aliases: Aliases = field(default_factory=Aliases)

    changes: list[TicketChange] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    added_messages: set[str] = field(default_factory=set)
    changed_messages: set[str] = field(default_factory=set)
    former: list[tuple[str, int, Revision]] = field(default_factory=list)
    """Former texts that the changes left behind, each with its message's id and its number."""
    new_posted: dict[str, str] = field(default_factory=dict)
    kept_receipts: dict[str, DeliveryChanged] = field(default_factory=dict)
    used_receipts: set[str] = field(default_factory=set)
    kept_changes: dict[str, EarlyChange] = field(default_factory=dict)
    used_changes: set[str] = field(default_factory=set)
    moved: list[tuple[ChannelKey, Channel, datetime]] = field(default_factory=list)
    requesters: dict[PersonKey, str | None] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)

    def ticket_in(self, key: str) -> Ticket | None:
        """The ticket that counts in a place."""
        ticket_id = self.places.get(key)
        return None if ticket_id is None else self.tickets[ticket_id]

    def message_at(self, key: str) -> Message | None:
        """The message with this message key: a platform's, or a reply of ours that was posted under it."""
        for candidate in self.aliases.message_keys(key):
            message = self.messages.get(candidate)
            if message is None and candidate in self.posted:
                message = self.messages.get(self.posted[candidate])
            if message is not None:
                return message
        return None

    def is_stored(self, key: str) -> bool:
        return any(one in self.stored or one in self.posted for one in self.aliases.message_keys(key))

    def current_place(self, place: Place) -> Place:
        """The place as it is named now, its channel too."""
        key = self.aliases.place(place.key)
        if key == place.key:
            return place
        channel = place.channel.model_copy(update={"key": channel_of_place(key)})
        return place.model_copy(update={"key": key, "channel": channel})

    def keep_change(self, change: EarlyChange) -> None:
        command = change.command
        self.early_changes.setdefault(command.message_key, {})[command.command_id] = change
        self.kept_changes[command.command_id] = change

    def take_changes(self, key: str) -> Iterable[EarlyChange]:
        """What was kept for this message key; it is kept no longer."""
        taken = self.early_changes.pop(key)
        for command_id in taken:
            if self.kept_changes.pop(command_id, None) is None:
                self.used_changes.add(command_id)
        return taken.values()

    def record(self, change: TicketChange) -> None:
        """Keep a change and what it leaves behind."""
        ticket = change.ticket
        if ticket.id not in self.tickets:
            self.opened.add(ticket.id)
        elif ticket.id not in self.opened:
            self.changed.add(ticket.id)
        self.tickets[ticket.id] = ticket
        if ticket.state.place_key is not None and (ticket.is_active or ticket.state.place_key not in self.places):
            self.places[ticket.state.place_key] = ticket.id
        if change.message is not None:
            self._record_message(change.message)
        self.changes.append(change)

    def _record_message(self, message: Message) -> None:
        if message.id not in self.messages:
            self.added_messages.add(message.id)
        elif message.id not in self.added_messages:
            self.changed_messages.add(message.id)
        known = self.messages[message.id].revisions if message.id in self.messages else ()
        for one in message.revisions:
            if one not in known:
                assert one.number is not None  # noqa: S101  only events have revisions without
                self.former.append((message.id, one.number, one))
        self.messages[message.id] = message
        self.stored.add(message.id)
        for key in message.delivery.message_keys if message.delivery else ():
            if key not in self.posted:
                self.posted[key] = self.new_posted[key] = message.id
