"""Slack's Events API payloads to chat events. Pure; shapes from docs.slack.dev and the SDKs' recorded events.

What stands in for a key: `ts` is a message's id in its channel; events arrive in any order and several times.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from contracts import keys
from contracts.base import RecordModel
from contracts.chat import Attachment, Author, Channel, ChannelType, Command
from contracts.chat_events_v1 import ChannelMoved, MessageDeleted, MessageEdited, MessagePosted, ReactionChanged
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from contracts.chat_replies_v1 import DELIVERY_METADATA
from contracts.keys import Platform
from services.ingest.parsed import Parsed, clean
from services.ingest.slack.content import content, files, full_text, typed
from services.ingest.slack.text import mentioned_users

_POSTS = frozenset({None, "file_share", "thread_broadcast", "me_message", "bot_message"})
_CHANNEL_TYPES = {
    "channel": ChannelType.PUBLIC,
    "group": ChannelType.PRIVATE,
    "im": ChannelType.DIALOG,
    "mpim": ChannelType.GROUP_DIALOG,
}
_TYPE_BY_LETTER = {"D": ChannelType.DIALOG, "G": ChannelType.PRIVATE}
_MAX_FILES = 1000
"""Of one message: a person's client takes ten at once. What has more isn't Slack's, and each takes a kilobyte here."""
_NOTHING_FOR_US = frozenset(
    {"app_mention", "member_joined_channel", "member_left_channel", "channel_archive", "channel_unarchive"}
    | {"channel_created", "channel_deleted", "app_uninstalled", "tokens_revoked", "app_home_opened"}
)

Json = dict[str, Any]


def parse(payload: Json, received_at: datetime) -> Parsed:
    """`payload` is the whole envelope. Raises KeyError, TypeError or ValueError where it breaks its own shape."""
    kind = str(payload.get("type"))
    if kind != "event_callback":
        return Parsed(kind, known=kind == "app_rate_limited")
    event: Json = payload["event"]
    kind = str(event.get("type"))
    reader = _READERS.get(kind)
    if reader is None:
        return Parsed(kind, known=kind in _NOTHING_FOR_US)
    return reader(event, payload, received_at)


def _message(event: Json, payload: Json, received_at: datetime) -> Parsed:
    subtype = event.get("subtype")
    kind = f"message.{subtype}" if subtype else "message"
    if subtype in _POSTS:
        return Parsed(kind, (_posted(event, payload, received_at),))
    if subtype == "message_deleted":
        return Parsed(kind, (_deleted(event, event["deleted_ts"], payload, received_at),))
    if subtype == "message_changed":
        return Parsed(kind, _changed(event, payload, received_at))
    if subtype == "message_replied":
        return Parsed(kind)
    return Parsed(kind, known=str(subtype).startswith(("channel_", "group_", "pinned_", "unpinned_", "bot_")))


def _posted(event: Json, payload: Json, received_at: datetime) -> MessagePosted:
    channel = _channel(event, payload)
    mentions = mentioned_users(event.get("text") or "")
    return MessagePosted(
        channel=channel,
        occurred_at=_time(event["ts"]),
        received_at=received_at,
        message_key=keys.message_key(channel.key, event["ts"]),
        author=_author(event, payload),
        text=full_text(event),
        thread=_thread(event),
        command=_command(typed(event)),
        mentions=tuple(keys.slack_person(user) for user in mentions),
        mentions_us=not _our_users(payload).isdisjoint(mentions),
        attachments=_attachments(event),
        delivery_id=_delivery(event),
    )


def _changed(event: Json, payload: Json, received_at: datetime) -> tuple[RecordModel, ...]:
    """A tombstone is a deletion; the same content again (a link's preview, a broadcast's second event) is nothing."""
    message: Json = event["message"]
    if message.get("subtype") == "tombstone":
        return (_deleted({**message, **_place_of(event)}, message["ts"], payload, received_at),)
    previous = event.get("previous_message")
    if isinstance(previous, dict) and previous and content(previous) == content(message):
        return ()
    channel = _channel(event, payload)
    edited = (message.get("edited") or {}).get("ts")
    edited_at = None if edited is None else _time(edited)
    return (
        MessageEdited(
            channel=channel,
            occurred_at=_time(event["event_ts"]) if edited_at is None else edited_at,
            ordered_at=None if edited_at is None else _order(edited_at, event.get("event_ts")),
            received_at=received_at,
            message_key=keys.message_key(channel.key, message["ts"]),
            author=_author(message, payload),
            text=full_text(message),
            thread=_thread(message),
            attachments=_attachments(message),
            delivery_id=_delivery(message),
        ),
    )


def _deleted(event: Json, ts: str, payload: Json, received_at: datetime) -> MessageDeleted:
    channel = _channel(event, payload)
    previous = event.get("previous_message")
    return MessageDeleted(
        channel=channel,
        occurred_at=_time(event["event_ts"]),
        received_at=received_at,
        message_key=keys.message_key(channel.key, ts),
        thread=_thread(previous) if isinstance(previous, dict) and "ts" in previous else None,
    )


def _reaction(event: Json, payload: Json, received_at: datetime) -> Parsed:
    item: Json = event["item"]
    kind = str(event["type"])
    if item.get("type") != "message":
        return Parsed(f"{kind}.{item.get('type')}")
    channel = _channel({"channel": item["channel"]}, payload)
    record = ReactionChanged(
        channel=channel,
        occurred_at=_time(event["event_ts"]),
        received_at=received_at,
        message_key=keys.message_key(channel.key, item["ts"]),
        person=_author(event, payload),
        name=event["reaction"],
        added=kind == "reaction_added",
    )
    return Parsed(kind, (record,))


def _channel_rename(event: Json, _payload: Json, received_at: datetime) -> Parsed:
    renamed: Json = event["channel"]
    profile = ChannelProfile(
        channel_key=keys.slack_channel(renamed["id"]),
        name=clean(renamed["name"]),
        updated_at=_time(event["event_ts"]) if "event_ts" in event else received_at,
    )
    return Parsed("channel_rename", (profile,))


def _user_change(event: Json, _payload: Json, received_at: datetime) -> Parsed:
    return Parsed(str(event["type"]), (person_profile(event["user"], received_at),))


def person_profile(user: Json, seen_at: datetime) -> PersonProfile:
    """Slack's user object (`users.info`, `user_change`) as a profile. `name` is what people see."""
    profile: Json = user.get("profile") or {}
    shown = profile.get("display_name") or user.get("real_name") or profile.get("real_name") or user.get("name")
    updated = user.get("updated")
    return PersonProfile(
        person_key=keys.slack_person(user["id"]),
        name=clean(shown or user["id"]),
        updated_at=datetime.fromtimestamp(updated, UTC) if updated else seen_at,
        real_name=profile.get("real_name") or user.get("real_name"),
        email=profile.get("email"),
        time_zone=user.get("tz"),
        locale=user.get("locale"),
        avatar_url=profile.get("image_192"),
        is_bot=bool(user.get("is_bot")),
    )


def _channel_id_changed(event: Json, payload: Json, received_at: datetime) -> Parsed:
    record = ChannelMoved(
        channel=_channel({"channel": event["new_channel_id"]}, payload),
        old_channel_key=keys.slack_channel(event["old_channel_id"]),
        occurred_at=_time(event["event_ts"]),
        received_at=received_at,
    )
    return Parsed("channel_id_changed", (record,))


def _channel(event: Json, payload: Json) -> Channel:
    """Reactions have no channel type; there the id's first letter tells dialogs from channels."""
    channel_id: str = event["channel"]
    named = _CHANNEL_TYPES.get(event.get("channel_type") or "")
    return Channel(
        key=keys.slack_channel(channel_id),
        platform=Platform.SLACK,
        workspace=payload.get("team_id") or "",
        type=named or _TYPE_BY_LETTER.get(channel_id[:1], ChannelType.PUBLIC),
    )


def _author(message: Json, payload: Json) -> Author:
    """Bots post without subtype and with `bot_id`; classic ones have no user. Ours is known by user or app id."""
    bot_id = message.get("bot_id")
    user = message.get("user") or bot_id
    if not user:
        raise ValueError("a message has neither user nor bot_id")
    app_id = message.get("app_id")
    is_self = user in _our_users(payload) or (app_id is not None and app_id == payload.get("api_app_id"))
    name = (message.get("bot_profile") or {}).get("name") or message.get("username")
    return Author(
        key=keys.slack_person(user),
        name=clean(name) if name else None,
        is_bot=bot_id is not None,
        is_self=is_self,
        bot_id=bot_id,
    )


def _our_users(payload: Json) -> frozenset[str]:
    return frozenset(item["user_id"] for item in payload.get("authorizations") or () if item.get("is_bot"))


def _thread(message: Json) -> str | None:
    """The root's ts. A root that has replies names itself; that is no thread of its own."""
    thread = message.get("thread_ts")
    return thread if thread != message.get("ts") else None


def _command(text: str) -> Command | None:
    """Slack's own slash commands never arrive as messages; this is a line that begins like one."""
    word, _, rest = text.strip().partition(" ")
    name = word[1:]
    return Command(name=name.lower(), arguments=rest.strip()) if word.startswith("/") and name.isidentifier() else None


def _attachments(message: Json) -> tuple[Attachment, ...]:
    found = files(message)
    if len(found) > _MAX_FILES:
        raise ValueError("too many files")
    return tuple(
        Attachment(
            id=file["id"],
            name=file.get("name"),
            media_type=file.get("mimetype"),
            size=file.get("size"),
            url=file.get("url_private"),
        )
        for file in found
    )


def _delivery(message: Json) -> str | None:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != DELIVERY_METADATA:
        return None
    return (metadata.get("event_payload") or {}).get("delivery_id")


def _place_of(event: Json) -> Json:
    return {name: event[name] for name in ("channel", "channel_type", "event_ts") if name in event}


def _order(edited_at: datetime, event_ts: str | None) -> datetime:
    """The time that orders edits. Slack's `edited.ts` are whole seconds, and history shows the last edit of a second;
    the event of an edit, which history lacks, tells where in it.
    """
    if edited_at.microsecond:
        return edited_at
    told = None if event_ts is None else _time(event_ts)
    return (
        told
        if told is not None and told.replace(microsecond=0) == edited_at
        else edited_at.replace(microsecond=999_999)
    )


def _time(ts: str) -> datetime:
    """Slack's `ts`, seconds with six decimals, without the error of a float."""
    seconds, _, fraction = ts.partition(".")
    return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(fraction.ljust(6, "0")[:6]))


_READERS: dict[str, Callable[[Json, Json, datetime], Parsed]] = {
    "message": _message,
    "reaction_added": _reaction,
    "reaction_removed": _reaction,
    "channel_rename": _channel_rename,
    "group_rename": _channel_rename,
    "user_change": _user_change,
    "team_join": _user_change,
    "channel_id_changed": _channel_id_changed,
}
