"""chat.*: posting, updating and deleting as the bot, and permalinks."""

from typing import Any

from sandbox.slack.errors import SlackError
from sandbox.slack.messages import Draft, Revision
from sandbox.slack.methods.app import App
from sandbox.slack.methods.blocks import LONGEST_MARKDOWN, check_blocks, check_metadata
from sandbox.slack.model import Channel, Json, Message
from sandbox.slack.text import posted

LONGEST_TEXT = 40_000
MOST_ATTACHMENTS = 100


def post_message(app: App, arguments: Json) -> Json:
    """Posts as the bot, to a channel by id or name, or to a person's dialog by the person's id."""
    channel = _target(app, arguments["channel"])
    if channel.archived:
        raise SlackError("is_archived")
    text, blocks, attachments = _content(app, arguments, truncate=app.settings.truncate_posts)
    if not text and not blocks and not attachments:
        raise SlackError("no_text")
    metadata = check_metadata(arguments["metadata"]) if "metadata" in arguments else {}
    draft = Draft(
        author=app.workspace.bot,
        text=text or "",
        thread_ts=arguments.get("thread_ts"),
        broadcast=arguments.get("reply_broadcast", False),
        blocks=blocks,
        attachments=attachments,
        metadata=metadata or None,
    )
    if "chat:write.customize" in app.scopes:
        draft.username = arguments.get("username")
        icons = {"emoji": arguments.get("icon_emoji"), "image_48": arguments.get("icon_url")}
        draft.icons = {name: value for name, value in icons.items() if value} or None
    message = app.messages.post(channel, draft)
    return {"channel": channel.id, "ts": message.ts, "message": app.messages.json(channel, message)}


def update(app: App, arguments: Json) -> Json:
    """Replaces the content of the bot's own message; blocks that aren't given again are removed."""
    channel, message = _own(app, arguments, "cant_update_message")
    text, blocks, attachments = _content(app, arguments, truncate=False)
    metadata = check_metadata(arguments["metadata"]) if "metadata" in arguments else None
    if text is None and not blocks and not attachments and metadata is None:
        raise SlackError("no_text")
    if text is None and not blocks and not attachments:  # metadata alone: the content stays
        blocks, attachments = message.blocks, message.attachments
    elif not text and not blocks and not attachments:
        raise SlackError("no_text")
    revision = Revision(text=text, blocks=blocks, attachments=attachments, metadata=metadata)
    app.messages.edit(channel, message, revision, app.workspace.bot)
    shown = app.messages.json(channel, message)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}


def delete(app: App, arguments: Json) -> Json:
    """Deletes the bot's own message."""
    channel, message = _own(app, arguments, "cant_delete_message")
    app.messages.delete(channel, message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(app: App, arguments: Json) -> Json:
    """The address of a message that the bot can see."""
    channel = app.visible(arguments["channel"])
    message = app.workspace.message(channel, arguments["message_ts"])
    return {"channel": channel.id, "permalink": app.messages.permalink(channel, message)}


def _target(app: App, reference: str) -> Channel:
    user = app.workspace.users.get(reference)
    if user is not None and user is not app.workspace.bot:
        channel, _ = app.places.open_dialog([app.workspace.bot, user])
        return channel
    return app.joined(reference, by_name=True)


def _own(app: App, arguments: Json, refusal: str) -> tuple[Channel, Message]:
    channel = app.joined(arguments["channel"])
    if channel.archived:
        raise SlackError("is_archived")
    message = app.workspace.message(channel, arguments["ts"])
    if message.user != app.workspace.bot.id or message.subtype in ("channel_join", "channel_leave"):
        raise SlackError(refusal)
    return channel, message


def _content(app: App, arguments: Json, *, truncate: bool) -> tuple[str | None, list[Json] | None, list[Json] | None]:
    text: str | None = arguments.get("text")
    markdown: str | None = arguments.get("markdown_text")
    blocks = check_blocks(arguments["blocks"]) if "blocks" in arguments else None
    attachments: list[Any] | None = arguments.get("attachments")
    if attachments is not None and len(attachments) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    if markdown is not None:
        if text or blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > LONGEST_MARKDOWN:
            raise SlackError("msg_too_long")
        return posted(markdown), blocks, attachments
    if text is not None:
        if truncate:
            text = text[:LONGEST_TEXT]
        elif len(text.encode()) > app.settings.long_text_bytes:
            raise SlackError("msg_too_long")
        text = posted(text)
    return text, blocks or None, attachments or None
