"""Slack's messages as `chat.events` showed them, without their text: what history is compared with.

A row is noted in the transaction that moves the consumer's position, from live and backfilled events alike, so what was
backfilled once is known the next time.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chassis.database import Connection
from contracts import ids, keys
from contracts.chat import Attachment
from contracts.chat_events_v1 import ChannelMoved, ChatEvent, MessageDeleted, MessageEdited, MessagePosted
from contracts.keys import ChannelKey, MessageKey, Platform

_TS = re.compile(r"[0-9]{1,12}\.[0-9]{6}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NOTE = """
INSERT INTO messages AS m (channel_key, ordinal, thread, content, edited_at, deleted, posted)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::bool[], $7::bool[])
ON CONFLICT (channel_key, ordinal) DO UPDATE SET
    thread = coalesce(m.thread, excluded.thread),
    content = CASE WHEN m.content IS NULL OR excluded.edited_at >= coalesce(m.edited_at, '-infinity')
                   THEN coalesce(excluded.content, m.content) ELSE m.content END,
    edited_at = greatest(m.edited_at, excluded.edited_at),
    deleted = m.deleted OR excluded.deleted,
    posted = coalesce(m.posted, m.content IS NOT NULL) OR excluded.posted
"""
MOVED = """
UPDATE messages m SET channel_key = $2 WHERE channel_key = $1
AND NOT EXISTS (SELECT FROM messages o WHERE o.channel_key = $2 AND o.ordinal = m.ordinal)
"""
# Also what is not known: a live event that is being noted right now must not be taken for a message that isn't shown.
SHOWN = """
INSERT INTO messages AS m (channel_key, ordinal, shown_in)
SELECT $1, ordinal, $3 FROM unnest($2::bigint[]) AS o(ordinal)
ON CONFLICT (channel_key, ordinal) DO UPDATE SET shown_in = excluded.shown_in
RETURNING ordinal, content, edited_at, deleted, coalesce(posted, content IS NOT NULL) AS posted
"""
NOT_SHOWN = """
SELECT ordinal FROM messages
WHERE channel_key = $1 AND content IS NOT NULL AND NOT deleted AND shown_in IS DISTINCT FROM $2 AND noted_at < $3
"""
ROOTS_NOT_SHOWN = NOT_SHOWN + "AND thread IS NULL AND ordinal >= $4 ORDER BY ordinal"
REPLIES_NOT_SHOWN = NOT_SHOWN + "AND thread = $4 ORDER BY ordinal"
DELETED = "UPDATE messages SET deleted = true WHERE channel_key = $1 AND ordinal = ANY($2)"
KNOWN_BEFORE = """
SELECT EXISTS (SELECT FROM messages WHERE channel_key = $1 AND ordinal < $2 AND (content IS NOT NULL OR deleted))"""
IS_DELETED = "SELECT deleted FROM messages WHERE channel_key = $1 AND ordinal = $2"


@dataclass(frozen=True, slots=True)
class Known:
    """`content` is the hash of the latest text and files, None where only a deletion is known.

    `posted`: the post itself was heard. An edit alone brings content too, and its post may have been missed.
    """

    key: MessageKey
    thread: str | None = None
    content: str | None = None
    edited_at: datetime | None = None
    deleted: bool = False
    posted: bool = False

    def then(self, later: "Known") -> "Known":
        """Both as one; events come in any order."""
        newer = self.content is None or (
            later.edited_at is not None and (self.edited_at is None or later.edited_at >= self.edited_at)
        )
        edits = [at for at in (self.edited_at, later.edited_at) if at is not None]
        return replace(
            self,
            thread=self.thread or later.thread,
            content=(later.content or self.content) if newer else self.content,
            edited_at=max(edits, default=None),
            deleted=self.deleted or later.deleted,
            posted=self.posted or later.posted,
        )


def content_of(text: str, attachments: Iterable[Attachment]) -> str:
    return ids.content_hash("\x00".join([text, *(one.id for one in attachments)]))


def known_from(event: ChatEvent) -> Known | None:
    """What one event tells of a message of Slack, whose ids are times with six decimals."""
    if event.channel.platform is not Platform.SLACK or not isinstance(
        event, MessagePosted | MessageEdited | MessageDeleted
    ):
        return None
    if not is_ts(keys.message_id_of(event.message_key)):
        return None
    if isinstance(event, MessagePosted):
        return Known(event.message_key, event.thread, content_of(event.text, event.attachments), posted=True)
    if isinstance(event, MessageEdited):
        return Known(event.message_key, event.thread, content_of(event.text, event.attachments), event.order)
    return Known(event.message_key, event.thread, deleted=True)


async def note(connection: Connection, events: Sequence[ChatEvent]) -> None:
    noted: dict[tuple[str, int], Known] = {}
    for event in events:
        if (one := known_from(event)) is not None:
            place = keys.channel_of_message(one.key), keys.ordinal(one.key)
            noted[place] = noted[place].then(one) if place in noted else one
    if noted:
        places = sorted(noted)
        rows = [noted[place] for place in places]
        await connection.execute(
            NOTE,
            [channel for channel, _ in places],
            [ordinal for _, ordinal in places],
            [one.thread for one in rows],
            [one.content for one in rows],
            [one.edited_at for one in rows],
            [one.deleted for one in rows],
            [one.posted for one in rows],
        )
    for event in events:
        if isinstance(event, ChannelMoved) and event.channel.platform is Platform.SLACK:
            await connection.execute(MOVED, event.old_channel_key, event.channel.key)


async def shown(
    connection: Connection, channel: ChannelKey, message_keys: Iterable[MessageKey], reading: int
) -> dict[MessageKey, Known]:
    """Note that a reading showed these messages; those of them that are known."""
    ordinals = sorted({keys.ordinal(key) for key in message_keys})
    rows = await connection.fetch(SHOWN, channel, ordinals, reading)
    found = [
        Known(
            key_at(channel, r["ordinal"]),
            content=r["content"],
            edited_at=r["edited_at"],
            deleted=r["deleted"],
            posted=r["posted"],
        )
        for r in rows
        if r["content"] is not None or r["deleted"]
    ]
    return {one.key: one for one in found}


async def roots_not_shown(
    connection: Connection, channel: ChannelKey, reading: int, noted_before: datetime, oldest: int
) -> list[MessageKey]:
    """Messages outside threads, not older than an ordinal, that a reading should have shown and didn't."""
    rows = await connection.fetch(ROOTS_NOT_SHOWN, channel, reading, noted_before, oldest)
    return [key_at(channel, row["ordinal"]) for row in rows]


async def replies_not_shown(
    connection: Connection, channel: ChannelKey, reading: int, noted_before: datetime, thread: str
) -> list[MessageKey]:
    rows = await connection.fetch(REPLIES_NOT_SHOWN, channel, reading, noted_before, thread)
    return [key_at(channel, row["ordinal"]) for row in rows]


async def set_deleted(connection: Connection, channel: ChannelKey, message_keys: Sequence[MessageKey]) -> None:
    await connection.execute(DELETED, channel, [keys.ordinal(key) for key in message_keys])


async def knows_before(connection: Connection, channel: ChannelKey, ordinal: int) -> bool:
    """Whether anything older of a channel was ever heard of."""
    return bool(await connection.fetchval(KNOWN_BEFORE, channel, ordinal))


async def is_deleted(connection: Connection, key: MessageKey) -> bool:
    return bool(await connection.fetchval(IS_DELETED, keys.channel_of_message(key), keys.ordinal(key)))


def is_ts(value: object) -> bool:
    """Whether it has the form of a message's id in Slack; then its ordinal fits the database."""
    return isinstance(value, str) and _TS.fullmatch(value) is not None


def key_at(channel: ChannelKey, ordinal: int) -> MessageKey:
    return keys.message_key(channel, f"{ordinal // 1_000_000}.{ordinal % 1_000_000:06d}")


def time_at(ordinal: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ordinal)


def ordinal_at(at: datetime) -> int:
    """A time among the ordinals of Slack's messages, without the error of a float."""
    return (at - _EPOCH) // timedelta(microseconds=1)
