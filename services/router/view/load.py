"""One query loads all that a batch of chat events may ask for, however many they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from chassis.database import Connection
from contracts.chat import ChannelType
from contracts.chat_events_v1 import (
    ChannelMoved,
    ChatEvent,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionChanged,
)
from contracts.keys import ChannelKey, MessageKey, PersonKey, PlaceKey, message_id_of, place_key
from contracts.ticket_commands_v1 import Role
from contracts.ticket_events_v1 import Status
from services.router.decide.known import (
    Change,
    EarlyChange,
    KnownMessage,
    KnownPlace,
    Speaker,
    TicketFacts,
    UnnamedPost,
)
from services.router.decide.where import GENERAL_TOPIC
from services.router.view.aliases import Aliases
from services.router.view.overlay import Overlay, album_key

_KINDS: dict[str, type[Change]] = {model.TYPE: model for model in (MessageEdited, MessageDeleted, ReactionChanged)}

# $1 event ids, $2 message keys, $3 albums, $4 place keys, $5 channel keys, $6 keys of messages that came,
# $7 keys of channels where somebody replies to a post of ours.
# One set of rows of several kinds; the columns' meaning depends on the kind (`_take` has it).
_LOAD = """
WITH asked AS MATERIALIZED (
    SELECT m.*, coalesce(m.place_key, c.place_key, tc.place_key) AS home
    FROM messages m
    LEFT JOIN conversations c ON m.place_key IS NULL AND c.conversation_id = m.conversation_id
    LEFT JOIN ticket_conversations tc ON m.place_key IS NULL AND tc.conversation_id = m.conversation_id
    WHERE m.message_key = ANY($2::text[]) OR m.album = ANY($3::text[])
), spoke AS MATERIALIZED (
    SELECT * FROM speakers WHERE channel_key = ANY($5::text[])
), named AS MATERIALIZED (
    SELECT place_key, alias_of FROM places WHERE place_key = ANY($4::text[])
), unnamed AS MATERIALIZED (
    SELECT p.*, coalesce(c.place_key, tc.place_key) AS home
    FROM posts p
    LEFT JOIN conversations c ON c.conversation_id = p.conversation_id
    LEFT JOIN ticket_conversations tc ON tc.conversation_id = p.conversation_id
    WHERE p.begun_at IS NOT NULL AND p.channel_key = ANY($7::text[])
), homes AS MATERIALIZED (
    SELECT p.place_key, c.conversation_id, c.opening_ticket_id, c.started_at
    FROM (
        SELECT home FROM asked UNION SELECT place_key FROM spoke UNION SELECT coalesce(alias_of, place_key) FROM named
        UNION SELECT home FROM unnamed
    ) AS h(place_key)
    JOIN places p ON p.place_key = h.place_key
    JOIN conversations c ON c.conversation_id = p.conversation_id
), latest AS (
    SELECT DISTINCT ON (h.place_key) h.place_key, h.started_at, t.*, o.ticket_id IS NOT NULL AS opened
    FROM (
        SELECT h.*, tc.ticket_id FROM homes h JOIN ticket_conversations tc ON tc.place_key = h.place_key
        UNION
        SELECT h.*, tc.ticket_id FROM homes h JOIN ticket_conversations tc ON tc.conversation_id = h.conversation_id
    ) AS h
    JOIN tickets t ON t.ticket_id = h.ticket_id
    LEFT JOIN tickets o ON o.ticket_id = h.opening_ticket_id
    ORDER BY h.place_key, t.status IN ('solved', 'closed'), t.number DESC
)
SELECT 'decision' AS kind, event_id AS key, rule AS a, NULL AS b, NULL AS c, NULL AS d, NULL::bool AS flag,
    NULL::timestamptz AS at, NULL::timestamptz AS at2, NULL::timestamptz AS at3, NULL::bytea AS data
FROM decisions WHERE event_id = ANY($1::text[])
UNION ALL
SELECT 'message', message_key, conversation_id, home, role, content, ours, sent_at, edited_at, deleted_at,
    convert_to(album, 'UTF8')
FROM asked
UNION ALL
SELECT 'speaker', channel_key, person_key, place_key, NULL, NULL, backfilled, at, NULL, NULL, NULL FROM spoke
UNION ALL
SELECT 'unnamed', channel_key, conversation_id, home, NULL, NULL, NULL, begun_at, ended_at, NULL, NULL FROM unnamed
UNION ALL
SELECT 'alias', place_key, alias_of, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM named WHERE alias_of IS NOT NULL
UNION ALL
SELECT 'place', place_key, conversation_id, opening_ticket_id, NULL, NULL, NULL, started_at, NULL, NULL, NULL FROM homes
UNION ALL
SELECT 'ticket', place_key, ticket_id, status, NULL, NULL, NULL, ended_at, NULL, NULL, NULL
FROM latest WHERE opened OR last_customer_message_at >= started_at
UNION ALL
(SELECT 'early', message_key, type, traceparent, NULL, NULL, NULL, occurred_at, NULL, NULL, event
FROM early_changes LEFT JOIN decisions USING (event_id)
WHERE message_key = ANY($6::text[]) ORDER BY occurred_at, kept_since, "offset")
UNION ALL
SELECT 'name', channel_key, name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM channel_names WHERE channel_key = ANY($5::text[])
UNION ALL
SELECT 'number', name, number::text, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM reference_versions
"""

# Messages of these channels for which something is kept.
_WAITING = """
SELECT DISTINCT message_key FROM early_changes
WHERE EXISTS (SELECT FROM unnest($1::text[]) AS channel WHERE starts_with(message_key, channel || ':'))"""


@dataclass(slots=True)
class Wanted:
    """The keys that a batch's decisions can ask for."""

    events: set[str] = field(default_factory=set)
    messages: set[MessageKey] = field(default_factory=set)
    albums: set[str] = field(default_factory=set)
    places: set[PlaceKey] = field(default_factory=set)
    channels: set[ChannelKey] = field(default_factory=set)
    posted: set[MessageKey] = field(default_factory=set)
    answered: set[ChannelKey] = field(default_factory=set)

    @classmethod
    def of(cls, events: Iterable[ChatEvent], ours: Iterable[MessageKey], aliases: Aliases) -> "Wanted":
        wanted = cls()
        for key in ours:
            wanted.messages.update(aliases.messages(key))
            wanted.posted.update(aliases.messages(key))
        for event in events:
            wanted._add(event, aliases)
        return wanted

    def _add(self, event: ChatEvent, aliases: Aliases) -> None:
        self.events.add(event.record_id)
        self.channels.update(aliases.channels(event.channel.key))
        if isinstance(event, MessagePosted):
            self._add_post(event, aliases)
        elif isinstance(event, (MessageEdited, MessageDeleted, ReactionChanged)):
            self.messages.update(aliases.messages(event.message_key))
            self.events.add(event.message_key)
        elif isinstance(event, ChannelMoved):
            # What follows in this batch may look under either key.
            self.channels.update(aliases.channels(event.old_channel_key))

    def _add_post(self, event: MessagePosted, aliases: Aliases) -> None:
        keys = aliases.messages(event.message_key)
        self.messages.update(keys)
        self.posted.update(keys)
        channel = event.channel
        if channel.type.is_dialog:
            threads: tuple[str | None, ...] = (None,)
        elif channel.type is ChannelType.FORUM:
            threads = (event.thread or GENERAL_TOPIC,)
        else:
            threads = (event.thread or message_id_of(event.message_key),)
            if event.reply_to is not None:
                self.messages.update(aliases.messages(event.reply_to))
                if event.our_post_at is not None:
                    self.answered.update(aliases.channels(channel.key))
            if event.album is not None:
                self.albums.add(album_key(channel.key, event.album))
        for thread in threads:
            self.places.update(aliases.places(place_key(channel.key, thread)))


async def load(
    connection: Connection,
    overlay: Overlay,
    events: Sequence[ChatEvent],
    ours: Sequence[MessageKey] = (),
    places: Iterable[PlaceKey] = (),
) -> dict[str, int]:
    """Fill the overlay with what the database says now. Returns the numbers of staff, policy and aliases.

    `ours` are posts of ours whose receipts have just come, `places` are asked for beside those of the events. A channel
    that moves brings what is kept for its messages.
    """
    aliases = overlay.aliases
    moves = [event for event in events if isinstance(event, ChannelMoved)]
    for event in moves:
        aliases = aliases.plus(event.old_channel_key, event.channel.key)
    met: list[MessageKey] = []
    if moves:
        names = {name for event in moves for name in aliases.channels(event.channel.key)}
        met = [MessageKey(row[0]) for row in await connection.fetch(_WAITING, sorted(names))]
    wanted = Wanted.of(events, [*ours, *met], aliases)
    wanted.places.update(places)
    rows = await connection.fetch(
        _LOAD,
        list(wanted.events),
        list(wanted.messages),
        list(wanted.albums),
        list(wanted.places),
        list(wanted.channels),
        list(wanted.posted),
        list(wanted.answered),
    )
    _take(rows, overlay)
    return {row[1]: int(row[2]) for row in rows if row[0] == "number"}


def _take(rows: Sequence[asyncpg.Record], overlay: Overlay) -> None:
    places: list[tuple[str, str, str, datetime]] = []
    tickets: dict[str, TicketFacts] = {}
    for kind, key, a, b, c, d, flag, at, at2, at3, data in rows:
        match kind:
            case "decision":
                overlay.rules[key] = a
            case "message":
                album = None if data is None else data.decode()
                _take_message(KnownMessage(MessageKey(key), a, b, Role(c), flag, d, at, at2, at3, album), overlay)
            case "speaker":
                overlay.speakers[key, flag] = Speaker(PersonKey(a), at, b)
            case "unnamed":
                overlay.unnamed_posts.setdefault(key, []).append(UnnamedPost(a, b, at, at2))
            case "alias":
                overlay.place_aliases[PlaceKey(key)] = PlaceKey(a)
            case "place":
                places.append((key, a, b, at))
            case "ticket":
                tickets[key] = TicketFacts(a, Status(b), at)
            case "early":
                change = _KINDS[a].model_validate_json(data)
                overlay.kept.setdefault(MessageKey(key), []).append(EarlyChange(change, b))
            case "name":
                overlay.names[key] = a
    for key, conversation_id, ticket_id, started_at in places:
        overlay.places[PlaceKey(key)] = KnownPlace(
            PlaceKey(key), conversation_id, ticket_id, started_at, tickets.get(key)
        )


def _take_message(message: KnownMessage, overlay: Overlay) -> None:
    overlay.messages[message.key] = message
    if message.album is not None:
        overlay.albums.setdefault(message.album, message)
