"""A channel got a new key. Replies go to the new one; Slack's threads keep their times, so its places move along.

The replies of a conversation keep the key under which they are handed over, so that none overtakes an older one.

What was said under the new key may have arrived first: each channel is ordered for itself. A ticket whose place has an
active ticket there already goes on without a place of its own; both keep their conversations.
"""

from datetime import datetime

from contracts.chat import Channel, Place
from contracts.keys import ChannelKey, PlaceKey, Platform, channel_of_place, place_key, thread_of_place
from contracts.ticket_commands_v1 import MoveChannel
from contracts.ticket_events_v1 import Actor, ActorKind, Cause, ChangeKind, Conversation
from services.ticketing.domain.book import Book
from services.ticketing.domain.change import advance, change_of


def move_channel(book: Book, command: MoveChannel, at: datetime, traceparent: str | None) -> tuple[str, str | None]:
    """`moved`, or `unchanged` when it has that key already."""
    old, new = command.channel_key, command.channel
    if old == new.key or book.aliases.current(old) == new.key:
        return "unchanged", None
    book.aliases.add(old, new.key)
    book.moved.append((old, new, at))
    cause = Cause(kind="command", id=command.command_id, actor=Actor(kind=ActorKind.SYSTEM, id="router"))
    for ticket in list(book.tickets.values()):
        state = ticket.state
        if not any(one.place.channel.key == old for one in state.conversations):
            continue
        conversations = tuple(
            one
            if one.place.channel.key != old
            else Conversation(id=one.id, place=_moved(one.place, new), replies_key=one.replies_key or old)
            for one in state.conversations
        )
        fields: dict[str, object] = {"conversations": conversations}
        if state.place_key is not None:
            key = _moved_key(state.place_key, old, new)
            other = book.ticket_in(key)
            taken = other is not None and other.id != ticket.id and other.is_active
            fields["place_key"] = None if taken and ticket.is_active else key
            if book.places.get(state.place_key) == ticket.id:
                del book.places[state.place_key]
                if not taken:
                    book.places[key] = ticket.id
        after = advance(ticket, at, fields)
        book.record(change_of(state, after, ChangeKind.CHANNEL_MOVED, at, cause, traceparent=traceparent))
    return "moved", None


def _moved(place: Place, channel: Channel) -> Place:
    """Telegram: a supergroup counts its messages anew, so an old message can't be quoted there."""
    keeps = channel.platform is Platform.SLACK
    return place.model_copy(
        update={
            "key": _moved_key(place.key, place.channel.key, channel),
            "channel": channel,
            "reply_to": place.reply_to if keeps else None,
        }
    )


def _moved_key(key: PlaceKey, old: ChannelKey, channel: Channel) -> PlaceKey:
    """Telegram's places keep their key: a number of the old group is another message in the new one."""
    if channel.platform is not Platform.SLACK or channel_of_place(key) != old:
        return key
    return place_key(channel.key, thread_of_place(key))
