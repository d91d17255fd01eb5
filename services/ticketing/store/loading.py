"""Everything that a batch of commands can touch, read once: what is there, then the tickets, locked in id order.

What isn't there can't be locked, though another worker may be storing it at this moment: an automatic answer and its
receipt come on two topics, so do a post's receipt and the reactions to the post. Both sides lock its name before they
look for the other; who comes second sees the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import asyncpg
import orjson

from chassis.database import Connection, hold
from contracts.chat_receipts_v1 import DeliveryChanged
from contracts.keys import (
    ChannelKey,
    MessageKey,
    Platform,
    channel_of_message,
    channel_of_place,
    message_id_of,
    message_key,
)
from contracts.ticket_commands_v1 import (
    CloseTicket,
    MoveChannel,
    PlaceMessage,
    RecordAutomaticAnswer,
    RecordReaction,
    RemoveMessage,
    ReviseMessage,
    TicketCommand,
)
from services.ticketing.domain.book import Aliases, Book, EarlyChange, MessageChange
from services.ticketing.domain.ticket import Ticket
from services.ticketing.store import messages, tickets
from services.ticketing.store.rows import SEPARATOR

_EARLY_CHANGES = """
SELECT 'change' AS kind, message_key AS key, json_build_array(type, command::text, traceparent)::text AS value
    FROM early_changes WHERE message_key = ANY({keys}::text[])"""
# $1 command ids, $2 message keys, $3 channel keys, $4 person keys, $5 delivery ids,
# $6 places where a ticket may be opened, $7 numbers wanted beyond one for each of them that has no active ticket
_FACTS = f"""
SELECT 'command' AS kind, command_id AS key, NULL AS value FROM commands WHERE command_id = ANY($1::text[])
UNION ALL SELECT 'message', id, NULL FROM messages WHERE id = ANY($2::text[] || $5::text[])
UNION ALL SELECT 'posted', message_key, message_id FROM posted_keys WHERE message_key = ANY($2::text[])
UNION ALL {_EARLY_CHANGES.format(keys="$2")}
UNION ALL SELECT 'alias', old_channel_key, channel_key FROM channel_aliases
    WHERE old_channel_key = ANY($3::text[]) OR channel_key = ANY($3::text[])
UNION ALL SELECT 'person', person_key, concat_ws(chr(31), contact_id, name) FROM identities
    WHERE person_key = ANY($4::text[])
UNION ALL SELECT 'number', nextval('ticket_numbers')::text, NULL
    FROM generate_series(1, $7::int + cardinality($6::text[]) - (
        SELECT count(*)::int FROM tickets WHERE place_key = ANY($6::text[]) AND status IN {tickets.ACTIVE}
    ))"""  # noqa: S608
_NUMBERS = "SELECT nextval('ticket_numbers') FROM generate_series(1, $1)"
_MORE_MESSAGES = f"""
SELECT 'message' AS kind, id AS key, NULL AS value FROM messages WHERE id = ANY($1::text[])
UNION ALL SELECT 'posted', message_key, message_id FROM posted_keys WHERE message_key = ANY($1::text[])
UNION ALL {_EARLY_CHANGES.format(keys="$1")}"""  # noqa: S608

# Waits for the batches of these topics that others have in hand, and lets none begin: each locks its positions first.
_HOLD_BATCHES = "SELECT FROM positions WHERE topic = ANY($1::text[]) ORDER BY topic, partition FOR UPDATE"
_COMMANDS = ["ticket.commands.v1"]
_ALL = [*_COMMANDS, "chat.receipts.v1"]
# $1 channel keys: all names of channels that are among them, and what is kept for messages there.
_WAITING = """
WITH named AS (
    SELECT unnest($1::text[]) AS name
    UNION SELECT unnest(ARRAY[old_channel_key, channel_key]) FROM channel_aliases
        WHERE old_channel_key = ANY($1::text[]) OR channel_key = ANY($1::text[])
)
SELECT n.name, e.message_key FROM named n, early_changes e
WHERE EXISTS (SELECT FROM named o WHERE starts_with(e.message_key, o.name || ':'))"""
_AWAITED = f"""
SELECT 'receipt' AS kind, delivery_id AS key, receipt::text AS value FROM early_receipts
    WHERE delivery_id = ANY($1::text[])
UNION ALL SELECT 'posted', message_key, message_id FROM posted_keys WHERE message_key = ANY($1::text[])
UNION ALL {_EARLY_CHANGES.format(keys="$1")}"""  # noqa: S608
_CHANGES: dict[str, type[MessageChange]] = {one.TYPE: one for one in (ReviseMessage, RemoveMessage, RecordReaction)}


@dataclass(slots=True)
class Needs:
    """What commands and receipts name; dicts are ordered sets."""

    commands: dict[str, None] = field(default_factory=dict)
    keys: dict[str, None] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)
    targets: dict[str, str] = field(default_factory=dict)
    """Keys of messages to be changed -> the channel on whose partition that is said."""
    posts: dict[str, None] = field(default_factory=dict)
    """Keys of our own posts, named by receipts."""
    places: dict[str, None] = field(default_factory=dict)
    opening: dict[str, None] = field(default_factory=dict)
    people: dict[str, None] = field(default_factory=dict)
    deliveries: dict[str, None] = field(default_factory=dict)
    moving: dict[str, str] = field(default_factory=dict)
    """Old channel key -> new one."""
    met: set[MessageKey] = field(default_factory=set)
    """Keys under which messages may be stored that changes are kept for, in channels that move."""
    closes: int = 0

    def add(self, command: TicketCommand) -> None:
        self.commands[command.command_id] = None
        match command:
            case PlaceMessage():
                self.keys[command.message.message_key] = None
                self.placed.add(command.message.message_key)
                self.places[command.place.key] = None
                if command.open is not None:
                    self.opening[command.place.key] = None
                    self.people[command.message.author.key] = None
            case ReviseMessage() | RemoveMessage() | RecordReaction():
                self.keys[command.message_key] = None
                self.targets[command.message_key] = command.channel_key
            case CloseTicket():
                self.places[command.place_key] = None
                self.closes += 1
            case RecordAutomaticAnswer():
                self.places[command.place.key] = None
                self.deliveries[command.reply_id] = None
            case MoveChannel():
                self.moving[command.channel_key] = command.channel.key
            case _:
                raise TypeError(f"{type(command).__name__} is no ticket command")

    def add_receipt(self, receipt: DeliveryChanged) -> None:
        self.deliveries[receipt.delivery_id] = None
        for key in receipt.message_keys:
            self.keys[key] = self.posts[key] = None

    @property
    def channels(self) -> list[str]:
        """Channels whose other names matter."""
        named = {channel_of_message(key) for key in self.keys} | {channel_of_place(key) for key in self.places}
        return sorted(named | set(self.moving))


async def load_book(connection: Connection, needs: Needs) -> Book:
    """Locks the tickets concerned until the transaction ends."""
    book = Book()
    if needs.moving:
        await _load_waiting(connection, needs)
    await _load_facts(connection, needs, book)
    await _load_awaited(connection, needs, book)
    named = [candidate for key in needs.targets for candidate in book.aliases.message_keys(key)]
    named += needs.met
    wanted = [*(book.posted.get(key, key) for key in named), *needs.deliveries]
    places = {book.aliases.place(key) for key in needs.places}
    for ticket in await tickets.lock_concerned(connection, wanted, list(places), needs.moving):
        book.tickets[ticket.id] = ticket
        key = ticket.state.place_key
        if key is not None and (key in places or needs.moving):
            known = book.places.get(key)
            if known is None or _rank(ticket) > _rank(book.tickets[known]):
                book.places[key] = ticket.id
    if wanted:
        for row in await connection.fetch(messages.BY_IDS, wanted):
            message = messages.message_of(row)
            book.messages[message.id] = message
            book.stored.add(message.id)
    missing = (
        sum(1 for key in {book.aliases.place(key) for key in needs.opening} if not _has_active(book, key))
        + needs.closes
        - len(book.numbers)
    )
    if missing > 0:
        book.numbers += [row[0] for row in await connection.fetch(_NUMBERS, missing)]
    return book


async def _load_waiting(connection: Connection, needs: Needs) -> None:
    """A channel that moves brings what is kept for its messages, under any of its names; nobody may add to it now."""
    await connection.execute(_HOLD_BATCHES, _ALL)
    for name, key in await connection.fetch(_WAITING, [*needs.moving, *needs.moving.values()]):
        if key.startswith(Platform.SLACK):
            one = message_key(ChannelKey(name), message_id_of(key))
            needs.keys[one] = None
            needs.met.add(one)


async def _load_facts(connection: Connection, needs: Needs, book: Book) -> None:
    rows = await connection.fetch(
        _FACTS,
        list(needs.commands),
        list(needs.keys),
        needs.channels,
        list(needs.people),
        list(needs.deliveries),
        list(needs.opening),
        needs.closes if needs.opening else 0,
    )
    aliases = [(row["key"], row["value"]) for row in rows if row["kind"] == "alias"]
    _take(book, rows)
    if aliases:
        book.aliases = Aliases(aliases)
        others = {name for key in needs.keys for name in book.aliases.message_keys(key)} - set(needs.keys)
        if others:
            more = await connection.fetch(_MORE_MESSAGES, list(others))
            _take(book, more)


async def _load_awaited(connection: Connection, needs: Needs, book: Book) -> None:
    """Locks the names of what isn't there until the transaction ends, and reads what waits for it."""
    names = ((key, name) for key in _unknown(needs, book) for name in book.aliases.message_keys(key))
    if any(needs.targets[key] != channel_of_message(name) for key, name in names):
        await connection.execute(_HOLD_BATCHES, _COMMANDS)  # the message may be on its way, on another partition
    locked: set[str] = set()
    while awaited := sorted(_awaited(needs, book) - locked):
        await hold(connection, awaited)
        for key in awaited:
            book.early_changes.pop(key, None)  # made by another worker meanwhile, or there still
        _take(book, await connection.fetch(_AWAITED, awaited))
        locked.update(awaited)


def _unknown(needs: Needs, book: Book) -> list[str]:
    """Messages to be changed that are neither stored nor brought by the batch itself."""
    return [key for key in needs.targets if key not in needs.placed and not book.is_stored(key)]


def _awaited(needs: Needs, book: Book) -> set[str]:
    """What isn't there: deliveries without their message, unknown messages, and posts that receipts name anew."""
    named = [*needs.posts, *(key for receipt in book.early_receipts.values() for key in receipt.message_keys)]
    keys = [*_unknown(needs, book), *(key for key in named if key not in book.posted)]
    deliveries = {one for one in needs.deliveries if one not in book.stored}
    return deliveries.union(*map(book.aliases.message_keys, keys))


def _take(book: Book, facts: Iterable[asyncpg.Record]) -> None:
    for kind, key, value in facts:
        match kind:
            case "command":
                book.applied.add(key)
            case "message":
                book.stored.add(key)
            case "posted":
                book.posted[key] = value
            case "person":
                book.contacts[key], separator, name = value.partition(SEPARATOR)
                if separator:
                    book.names[key] = name
            case "receipt":
                book.early_receipts[key] = DeliveryChanged.model_validate_json(value)
            case "change":
                of_type, command, traceparent = orjson.loads(value)
                change = EarlyChange(_CHANGES[of_type].model_validate_json(command), traceparent)
                book.early_changes.setdefault(key, {})[change.command.command_id] = change
            case "number":
                book.numbers.append(int(key))
            case _:  # aliases, taken by the caller
                pass


def _rank(ticket: Ticket) -> tuple[bool, float, int]:
    ended = ticket.state.ended_at
    return ticket.is_active, 0.0 if ended is None else ended.timestamp(), ticket.state.number


def _has_active(book: Book, place_key: str) -> bool:
    ticket = book.ticket_in(place_key)
    return ticket is not None and ticket.is_active
