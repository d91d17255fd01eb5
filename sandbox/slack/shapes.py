"""How Slack writes users, channels, messages and files. Pure: records in, JSON out; nothing is decided here."""

from typing import Literal
from urllib.parse import quote

from sandbox.slack.identity import Identity
from sandbox.slack.model import Channel, ChannelType, File, Json, Message, User
from sandbox.slack.text import rich_text

Metadata = Literal["full", "type"]


def bot_profile(user: User, identity: Identity) -> Json:
    """The profile that comes with each message of an app."""
    return {
        "id": user.bot_id,
        "app_id": user.app_id,
        "name": user.name,
        "icons": {"image_36": "https://a.slack-edge.com/80588/img/plugins/app/bot_36.png"},
        "deleted": user.deleted,
        "updated": user.updated,
        "team_id": identity.team_id,
    }


def message_json(
    message: Message, channel: Channel, identity: Identity, author: User | None, *, metadata: Metadata = "full"
) -> Json:
    """A message as history, events and answers show it; where it is (`channel`) is left to the caller."""
    if message.tombstone:
        return tombstone(message) | _thread(message, channel)
    optional = {
        "user": None if message.subtype == "bot_message" else message.user,
        "subtype": message.subtype,
        "client_msg_id": message.client_msg_id,
        "team": identity.team_id if message.subtype in (None, "me_message") else None,
        "username": message.username,
        "icons": message.icons,
        "blocks": message_blocks(message),
        "attachments": message.attachments,
        "edited": message.edited,
        "inviter": message.inviter,
    }
    body: Json = {"type": "message", "text": message.text, "ts": message.ts}
    body |= {name: value for name, value in optional.items() if value is not None}
    if message.bot_id is not None:
        body |= _bot(message, author, identity)
    if message.metadata is not None:
        body["metadata"] = message.metadata if metadata == "full" else {"event_type": message.metadata["event_type"]}
    if message.files:
        body |= {"files": [file_json(file, identity) for file in message.files], "upload": True}
        body["display_as_bot"] = False
    if message.reactions:
        body["reactions"] = reactions_json(message)
    return body | message.extra | _thread(message, channel)


def message_blocks(message: Message) -> list[Json] | None:
    """The blocks given, or for what a person typed the rich_text block made from it."""
    if message.blocks is None and message.composed:
        return [rich_text(message.text, f"b{message.ts.replace('.', '')}")]
    return message.blocks


def _bot(message: Message, author: User | None, identity: Identity) -> Json:
    if message.subtype == "bot_message" or author is None:
        return {"bot_id": message.bot_id}
    profile = bot_profile(author, identity)
    return {"bot_id": message.bot_id, "app_id": message.app_id, "bot_profile": profile}


def _thread(message: Message, channel: Channel) -> Json:
    if message.thread_ts is None:
        return {}
    body: Json = {"thread_ts": message.thread_ts}
    if message.is_reply:
        root = channel.messages.get(message.thread_ts)
        if root is not None:
            body["parent_user_id"] = "USLACKBOT" if root.tombstone else root.user
        return body
    return body | {
        "reply_count": len(message.replies),
        "reply_users_count": len(message.reply_users),
        "latest_reply": message.replies[-1] if message.replies else message.ts,
        "reply_users": message.reply_users[:5],
        "is_locked": False,
        "subscribed": False,
    }


def tombstone(message: Message) -> Json:
    """What remains of a deleted message that has replies."""
    return {
        "type": "message",
        "subtype": "tombstone",
        "user": "USLACKBOT",
        "text": "This message was deleted.",
        "hidden": True,
        "ts": message.ts,
    }


def reactions_json(message: Message) -> list[Json]:
    """The reactions of a message, each with who gave it."""
    return [{"name": name, "users": list(users), "count": len(users)} for name, users in message.reactions.items()]


def file_json(file: File, identity: Identity) -> Json:
    """A hosted file."""
    extension = file.name.rpartition(".")[2].lower() if "." in file.name else "binary"
    private = f"{file.url_base}{identity.team_id}-{file.id}/"
    return {
        "id": file.id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mimetype,
        "filetype": "text" if extension == "txt" else extension,
        "pretty_type": extension.upper(),
        "user": file.user,
        "user_team": identity.team_id,
        "editable": False,
        "size": len(file.content),
        "mode": "hosted",
        "is_external": False,
        "is_public": False,
        "url_private": f"{private}{quote(file.name)}",
        "url_private_download": f"{private}download/{quote(file.name)}",
        "permalink": f"{identity.url}files/{file.user}/{file.id}/{file.name}",
    }


def user_json(user: User, identity: Identity, *, email: bool = True, locale: bool = False) -> Json:
    """A user as users.info and user_change show it; `email` only with the scope users:read.email."""
    profile: Json = {
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.display_name,
        "display_name_normalized": user.display_name,
        "avatar_hash": "0",
        "image_72": f"https://avatars.slack-edge.com/{user.id}_72.png",
        "image_192": f"https://avatars.slack-edge.com/{user.id}_192.png",
        "status_text": "",
        "status_emoji": "",
        "team": identity.team_id,
    }
    if user.email is not None and email:
        profile["email"] = user.email
    if user.bot_id is not None:
        profile |= {"bot_id": user.bot_id, "api_app_id": user.app_id}
    body: Json = {
        "id": user.id,
        "team_id": identity.team_id,
        "name": user.name,
        "deleted": user.deleted,
        "real_name": user.real_name,
        "tz": user.tz,
        "tz_label": user.tz,
        "tz_offset": 0,
        "profile": profile,
        "is_admin": False,
        "is_owner": False,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "updated": user.updated,
    }
    return body | {"locale": user.locale} if locale else body


def channel_json(channel: Channel, bot_user_id: str, identity: Identity) -> Json:
    """A conversation as conversations.info and .list show it to the bot."""
    body: Json = {
        "id": channel.id,
        "created": channel.created,
        "is_channel": channel.type is ChannelType.PUBLIC,
        "is_group": channel.type is ChannelType.PRIVATE,
        "is_im": channel.type is ChannelType.IM,
        "is_mpim": channel.type is ChannelType.MPIM,
        "is_private": channel.type is not ChannelType.PUBLIC,
        "is_archived": channel.archived,
        "is_org_shared": False,
        "is_shared": False,
        "is_ext_shared": False,
        "context_team_id": identity.team_id,
        "updated": channel.created * 1000,
    }
    if channel.type is ChannelType.IM:
        other = next((member for member in channel.members if member != bot_user_id), bot_user_id)
        return body | {"user": other, "is_user_deleted": False, "is_open": True, "priority": 0}
    return body | {
        "name": channel.name,
        "name_normalized": channel.name,
        "creator": channel.creator,
        "is_general": False,
        "is_member": bot_user_id in channel.members,
        "unlinked": 0,
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": channel.purpose, "creator": "", "last_set": 0},
        "previous_names": [],
    }
