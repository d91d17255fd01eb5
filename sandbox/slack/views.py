"""Messages as people see them: for the page, scenarios and test drivers; nothing here goes to the app."""

import re

from sandbox.slack.messages import Messages
from sandbox.slack.model import Channel, Json, Message
from sandbox.slack.shapes import message_blocks, reactions_json
from sandbox.slack.text import MARKUP, unescape
from sandbox.slack.workspace import Workspace

RINGING = re.compile(r"<(?:@([UW][A-Z0-9]+)|(!(?:channel|here|everyone|subteam\^S[A-Z0-9]+)))[^<>]*>")


def plain_text(text: str, workspace: Workspace) -> str:
    """Wire text as a person reads it: mentions as @name, links as their label or address."""

    def shown(match: re.Match[str]) -> str:
        target, _, label = match.group(1).partition("|")
        if target.startswith("@"):
            user = workspace.users.get(target[1:])
            return f"@{user.name if user else label or target[1:]}"
        if target.startswith("#"):
            channel = workspace.channels.get(target[1:])
            return f"#{channel.name if channel else label or target[1:]}"
        if target.startswith("!"):
            return label or f"@{target[1:]}"
        return label or target

    return unescape(MARKUP.sub(shown, text))


def message_view(workspace: Workspace, messages: Messages, channel: Channel, message: Message) -> Json:
    """One message; `text` is in wire form, `plain` as people read it."""
    author = workspace.users.get(message.user)
    text = "This message was deleted." if message.tombstone else message.text
    return {
        "ts": message.ts,
        "user": message.user,
        "user_name": author.name if author else None,
        "text": text,
        "plain": plain_text(text, workspace),
        "thread_ts": message.thread_ts,
        "subtype": "tombstone" if message.tombstone else message.subtype,
        "is_bot": message.bot_id is not None,
        "edited": message.edited,
        "deleted": message.tombstone,
        "broadcast": message.is_broadcast,
        "reply_count": len(message.replies),
        "reactions": reactions_json(message),
        "files": [{"id": file.id, "name": file.name, "mimetype": file.mimetype} for file in message.files],
        "metadata": message.metadata,
        "blocks": message_blocks(message),
        "attachments": message.attachments,
        "notifies": [user or group for user, group in RINGING.findall(text)],
        "permalink": messages.permalink(channel, message),
    }
