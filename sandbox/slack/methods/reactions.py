"""reactions.*: the bot's reactions and everyone's on one message."""

import re

from sandbox.slack.errors import SlackError
from sandbox.slack.methods.app import App
from sandbox.slack.model import Channel, Json, Message

NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")


def add(app: App, arguments: Json) -> Json:
    """Reacts as the bot. Errors: invalid_name, message_not_found, already_reacted."""
    channel, message = _item(app, arguments)
    app.messages.react(channel, message, app.workspace.bot, _name(arguments))
    return {}


def remove(app: App, arguments: Json) -> Json:
    """Takes the bot's reaction back. Errors: invalid_name, message_not_found, no_reaction."""
    channel, message = _item(app, arguments)
    app.messages.unreact(channel, message, app.workspace.bot, _name(arguments))
    return {}


def get(app: App, arguments: Json) -> Json:
    """A message with its reactions."""
    channel, message = _item(app, arguments)
    shown = app.messages.json(channel, message, metadata="type")
    shown["permalink"] = app.messages.permalink(channel, message)
    return {"type": "message", "channel": channel.id, "message": shown}


def _name(arguments: Json) -> str:
    name: str = arguments["name"].strip(":")
    if not NAME.fullmatch(name):
        raise SlackError("invalid_name")
    return name


def _item(app: App, arguments: Json) -> tuple[Channel, Message]:
    if "channel" not in arguments or "timestamp" not in arguments:
        raise SlackError("no_item_specified")
    channel = app.joined(arguments["channel"])
    if channel.archived:
        raise SlackError("is_archived")
    return channel, app.workspace.message(channel, arguments["timestamp"])
