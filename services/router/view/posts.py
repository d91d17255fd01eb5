"""What the notifier says of our posts: which messages are ours, and which posts may be in a chat without a name.

Written by a channel's partition of chat.receipts, which needn't be with the process that has its partition of
chat.events. What must not pass each other by (a receipt, and a reaction to the message it names) holds the message.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from chassis.database import Connection
from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryState, Operation
from contracts.keys import ChannelKey, MessageKey
from contracts.ticket_commands_v1 import Role
from services.router.view.aliases import Aliases

_STORE_NAMED = """
WITH named AS (
    INSERT INTO messages (message_key, conversation_id, place_key, role, ours, content, sent_at)
    SELECT message_key, conversation_id, NULL, $3, true, '', at
    FROM unnest($1::text[], $2::text[], $4::timestamptz[]) AS posted(message_key, conversation_id, at)
    ON CONFLICT DO NOTHING
)
SELECT DISTINCT message_key FROM early_changes WHERE message_key = ANY($5::text[])"""

_POSTS = """
SELECT delivery_id, version, channel_key, conversation_id, begun_at, ended_at, changed_at
FROM posts WHERE delivery_id = ANY($1::text[])"""

_STORE_POSTS = """
INSERT INTO posts (delivery_id, version, channel_key, conversation_id, begun_at, ended_at, changed_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
    $7::timestamptz[])
ON CONFLICT (delivery_id) DO UPDATE SET version = excluded.version, begun_at = excluded.begun_at,
    ended_at = excluded.ended_at, changed_at = excluded.changed_at
WHERE posts.version < excluded.version"""


@dataclass(frozen=True, slots=True)
class Post:
    """A delivery's post after its receipt of this `version`; times as in `UnnamedPost`, both None when it isn't one."""

    delivery_id: str
    version: int
    channel_key: ChannelKey
    conversation_id: str
    begun_at: datetime | None
    ended_at: datetime | None
    changed_at: datetime


def after(post: Post | None, receipt: DeliveryChanged) -> Post:
    """What a further receipt makes of it. Who confirms a doubtful post ends the doubt, but gives it no name."""
    if post is not None and receipt.version <= post.version:
        return post
    begun_at = ended_at = None
    unnamed = receipt.state is DeliveryState.SENT and not receipt.message_keys
    if unnamed or receipt.state in (DeliveryState.SENDING, DeliveryState.UNKNOWN):
        begun_at = (post.begun_at if post else None) or receipt.at
    if unnamed or receipt.state is DeliveryState.UNKNOWN:
        ended_at = (post.ended_at if post else None) or receipt.at
    return Post(
        receipt.delivery_id,
        receipt.version,
        receipt.channel_key,
        receipt.conversation_id,
        begun_at,
        ended_at,
        receipt.at,
    )


async def store_receipts(
    connection: Connection, receipts: Sequence[DeliveryChanged], aliases: Aliases
) -> list[MessageKey]:
    """Returns the messages that are named here and for which something is kept. Their caller holds them."""
    await _store_posts(connection, receipts)
    named = {key: receipt for receipt in receipts for key in receipt.message_keys}
    if not named:
        return []
    keys = sorted(named)
    rows = await connection.fetch(
        _STORE_NAMED,
        keys,
        [named[key].conversation_id for key in keys],
        Role.BOT.value,
        [named[key].at for key in keys],
        [name for key in keys for name in aliases.messages(key)],
    )
    awaited = {row["message_key"] for row in rows}
    return [key for key in keys if not awaited.isdisjoint(aliases.messages(key))] if awaited else []


async def _store_posts(connection: Connection, receipts: Sequence[DeliveryChanged]) -> None:
    """In a thread a reply needs no message's name: posts there aren't kept."""
    concerned = [one for one in receipts if one.operation is Operation.POST and one.thread is None]
    if not concerned:
        return
    rows = await connection.fetch(_POSTS, sorted({one.delivery_id for one in concerned}))
    posts = {row["delivery_id"]: Post(*row) for row in rows}
    for receipt in concerned:
        posts[receipt.delivery_id] = after(posts.get(receipt.delivery_id), receipt)
    columns = zip(*(astuple(post) for _, post in sorted(posts.items())), strict=True)
    await connection.execute(_STORE_POSTS, *(list(column) for column in columns))
