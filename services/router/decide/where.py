"""Where a post belongs: its place, and the conversation that is there already.

A dialog and a forum topic are one place each. In channels and plain groups a message belongs, in this order, to its
thread, to the conversation of the message it replies to, to its album's, to the conversation that its own thread
already has (replies came first), or to the burst it continues; else it is the root of a place of its own.

A post of ours is known by its receipt, and a reply to it may be decided before that came. Then it belongs to the one
conversation into which we were posting when the platform says that our post was written.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from contracts.chat import Channel, ChannelType
from contracts.chat_events_v1 import MessagePosted
from contracts.keys import (
    MessageKey,
    PlaceKey,
    channel_of_place,
    message_id_of,
    message_key,
    place_key,
    thread_of_place,
)
from services.router.decide.decisions import Address
from services.router.decide.known import KnownPlace, Speaker, View

GENERAL_TOPIC = "general"


class Via(StrEnum):
    """What led to the place."""

    DIALOG = "dialog"
    TOPIC = "topic"
    THREAD = "thread"
    REPLY = "reply"
    REPLY_TO_UNNAMED = "reply_to_unnamed"
    ALBUM = "album"
    OWN_THREAD = "own_thread"
    BURST = "burst"
    TOP_LEVEL = "top_level"


@dataclass(frozen=True, slots=True)
class Where:
    """`known` is the place with its conversation, None when it has had none. `key` is the place's key."""

    via: Via
    key: PlaceKey
    known: KnownPlace | None
    alias: PlaceKey | None = None

    @property
    def aloud(self) -> bool:
        """Whether the whole channel hears it: such posts decide who continues whom."""
        return self.via not in (Via.DIALOG, Via.TOPIC, Via.THREAD)


def find(event: MessagePosted, view: View, continue_within: timedelta) -> Where:
    channel = event.channel
    if channel.type.is_dialog:
        return _in(Via.DIALOG, place_key(channel.key, None), view)
    if channel.type is ChannelType.FORUM:
        return _in(Via.TOPIC, place_key(channel.key, event.thread or GENERAL_TOPIC), view)
    if event.thread is not None:
        return _in(Via.THREAD, place_key(channel.key, event.thread), view)
    if event.reply_to is not None and (known := _of_message(event.reply_to, view)):
        return Where(Via.REPLY, known.key, known)
    if event.reply_to is not None and (known := _of_unnamed(event, event.reply_to, view)):
        return Where(Via.REPLY_TO_UNNAMED, known.key, known)
    if event.album is not None and (first := view.album(channel.key, event.album)) and first.place is not None:
        return _in(Via.ALBUM, first.place, view)
    own = place_key(channel.key, message_id_of(event.message_key))
    if known := view.place(own):
        return Where(Via.OWN_THREAD, known.key, known)
    if known := _burst(event, view, continue_within):
        return Where(Via.BURST, known.key, known, alias=None if channel.type is ChannelType.GROUP else own)
    return Where(Via.TOP_LEVEL, own, None)


def _in(via: Via, key: PlaceKey, view: View) -> Where:
    known = view.place(key)
    return Where(via, key if known is None else known.key, known)


def _of_message(key: MessageKey, view: View) -> KnownPlace | None:
    message = view.message(key)
    return None if message is None or message.place is None else view.place(message.place)


def _of_unnamed(event: MessagePosted, replied_to: MessageKey, view: View) -> KnownPlace | None:
    """The place of our post that it replies to, when no receipt has named that yet and only one can be it.

    Where several conversations can, none is taken: a ticket too many is mended more easily than a message in somebody
    else's ticket.
    """
    if event.our_post_at is None or view.message(replied_to) is not None:
        return None
    posts = [one for one in view.unnamed(event.channel.key) if one.may_be_of(event.our_post_at)]
    if len({one.conversation_id for one in posts}) != 1 or posts[0].place is None:
        return None
    return view.place(posts[0].place)


def _burst(event: MessagePosted, view: View, continue_within: timedelta) -> KnownPlace | None:
    """The place of the channel's previous post, when it is by the same author and not too long ago.

    Platform times: a post that arrives late continues the one it was written before just as well.
    """
    last = _last_speaker(event, view)
    if last is None or last.place is None or last.person != event.author.key:
        return None
    return view.place(last.place) if abs(event.occurred_at - last.at) <= continue_within else None


def _last_speaker(event: MessagePosted, view: View) -> Speaker | None:
    """The latest before the event, of what happened and what was read from history; else the first after it."""
    channel = event.channel.key
    live, read = view.speaker(channel, backfilled=False), view.speaker(channel, backfilled=True)
    if live is None or read is None:
        return live or read
    earlier, later = (live, read) if live.at <= read.at else (read, live)
    return later if later.at <= event.occurred_at else earlier


def address(key: PlaceKey, channel: Channel) -> Address:
    """How to post into a place of this key, which may have been made under a former key of the channel.

    Telegram: a supergroup counts its messages anew, so an old group's message can't be quoted there.
    """
    thread = thread_of_place(key)
    if thread is None or channel.type.is_dialog:
        return Address(key)
    if channel.type is ChannelType.FORUM:
        return Address(key, thread=None if thread == GENERAL_TOPIC else thread)
    if channel.type is ChannelType.GROUP:
        root = message_key(channel.key, thread)
        return Address(key, reply_to=root if channel_of_place(key) == channel.key else None)
    return Address(key, thread=thread)
