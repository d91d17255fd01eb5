"""What a page of Slack's history says that we don't know. Pure: platform's messages in, chat events out.

The events are made by the parser of live events, so that their ids are the same. A message that was edited is published
as a post and as an edit: whichever of the two is known already is nothing new to anybody.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from chassis import metrics
from chassis.error_text import describe
from chassis.logs import get_logger
from contracts import keys
from contracts.chat import Channel
from contracts.chat_events_v1 import MessageDeleted, MessageEdited, MessagePosted
from contracts.keys import MessageKey
from services.ingest.slack.parse import parse
from services.ingest.worker.known import Known, content_of, is_ts, ordinal_at

_BROKEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError)
log = get_logger(__name__)

Json = dict[str, Any]
MessageEvent: TypeAlias = MessagePosted | MessageEdited | MessageDeleted
_JOINS = frozenset({"channel_join", "group_join"})
_LEAVES = frozenset({"channel_leave", "group_leave"})


@dataclass(frozen=True, slots=True)
class Find:
    """An event to publish, and where it stands in the channel's order: by time, an edit after its post."""

    ordinal: int
    rank: int
    event: MessageEvent

    @property
    def message(self) -> int:
        """The ordinal of the message that the event is about."""
        return keys.ordinal(self.event.message_key)


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread whose replies are to be read; the urgent ones have replies that nobody has seen."""

    ts: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as history shows it. `events` are its post and its last edit, or the deletion of a root."""

    key: MessageKey
    events: tuple[MessageEvent, ...]


def shown(message: Json, envelope: Json, channel: Channel, read_at: datetime) -> Shown:
    """Raises what `parse` does on a message that breaks its own shape, ValueError on one that no record can hold."""
    native, ts = keys.native_channel(channel.key), message["ts"]
    if not is_ts(ts):
        raise ValueError("a message's ts has another form")
    key = keys.message_key(channel.key, ts)
    tombstone = message.get("subtype") == "tombstone"
    events: list[Json] = [] if tombstone else [{**message, "channel": native, "event_ts": ts}]
    if tombstone or message.get("edited"):
        at = {"event_ts": f"{read_at.timestamp():.6f}"} if tombstone else {}
        events.append({"type": "message", "subtype": "message_changed", "message": message, "channel": native, **at})
    found = [record for event in events for record in parse({**envelope, "event": event}, read_at).records]
    read = {"backfilled": True, "channel": channel}
    posted = any(isinstance(record, MessagePosted) for record in found)
    for record in found:
        record.model_dump_json()
    return Shown(
        key,
        tuple(
            record.model_copy(update=read)
            for record in found
            if isinstance(record, MessagePosted | MessageDeleted) or (isinstance(record, MessageEdited) and posted)
        ),
    )


def readable(messages: Iterable[Json], envelope: Json, channel: Channel, read_at: datetime) -> list[Shown]:
    """One odd message doesn't hide the others of its page: it is logged and counted."""
    found = []
    for message in messages:
        try:
            found.append(shown(message, envelope, channel, read_at))
        except _BROKEN as error:
            metrics.payloads_broken.labels("slack").inc()
            log.warning("a message of a history can't be read", channel=channel.key, error=describe(error))
    return found


def unknown(shown: Shown, known: Known | None, since: datetime) -> list[Find]:
    """What of it nobody has heard of: messages from before `since` that we never had stay what they are."""
    if known is not None and known.deleted:
        return []
    finds = []
    for event in shown.events:
        if isinstance(event, MessagePosted):
            if (known is None or not known.posted) and event.occurred_at >= since:
                finds.append(find(event))
        elif isinstance(event, MessageEdited):
            if known is None or known.content is None:
                wanted = bool(finds)
            else:
                wanted = known.content != content_of(event.text, event.attachments)
            if wanted:
                finds.append(find(event))
        elif known is not None:
            finds.append(find(event))
    return finds


def find(event: MessageEvent) -> Find:
    at = ordinal_at(event.occurred_at)
    if isinstance(event, MessageEdited):
        return Find(max(at, keys.ordinal(event.message_key)), 1, event)
    return Find(at, 0 if isinstance(event, MessagePosted) else 2, event)


def deletions(missing: Iterable[MessageKey], channel: Channel, read_at: datetime) -> list[Find]:
    """When they were deleted nobody knows: it was before the reading."""
    return [
        find(
            MessageDeleted(channel=channel, occurred_at=read_at, received_at=read_at, backfilled=True, message_key=key)
        )
        for key in missing
    ]


def threads(messages: Iterable[Json], since: datetime, oldest: datetime) -> list[Thread]:
    """The threads of a page that have replies of the time that is read."""
    found: dict[str, bool] = {}
    for message in messages:
        thread = message.get("thread_ts")
        if not isinstance(thread, str) or not is_ts(thread):
            continue
        is_root = thread == message.get("ts")
        last = message.get("latest_reply") if is_root else message.get("ts")
        at = _ordinal(last)
        if at >= ordinal_at(oldest) and (not is_root or message.get("reply_count")):
            found[thread] = found.get(thread, False) or at >= ordinal_at(since)
    return [Thread(ts, urgent) for ts, urgent in found.items()]


def member(messages: Iterable[Json], envelope: Json) -> tuple[int | None, int | None]:
    """The ordinals of when we first joined the channel and first left it, where a page shows it.

    Slack writes it as a message of the one who joined or left ("channel_join", "channel_leave"; in private channels
    also "group_join", "group_leave").
    """
    ours = {one["user_id"] for one in envelope["authorizations"]}
    own = [one for one in messages if one.get("user") in ours]
    joined, parted = (
        min((at for one in own if one.get("subtype") in subtypes and (at := _ordinal(one.get("ts")))), default=None)
        for subtypes in (_JOINS, _LEAVES)
    )
    return joined, parted


def lowest(messages: Iterable[Json], before: int | None) -> int | None:
    """The ordinal of the oldest message shown so far."""
    ordinals = [_ordinal(message.get("ts")) for message in messages]
    return min((one for one in [*ordinals, before] if one), default=None)


def _ordinal(ts: object) -> int:
    """0 for what is no ts."""
    return keys.ordinal(f":{ts}") if is_ts(ts) else 0
