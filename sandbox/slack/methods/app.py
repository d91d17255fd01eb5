"""What the methods work on, and what the app may see of it."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sandbox.slack.errors import SlackError, invalid_arguments
from sandbox.slack.identity import ALL_SCOPES
from sandbox.slack.messages import Messages
from sandbox.slack.model import Channel, ChannelType, Json
from sandbox.slack.places import Places
from sandbox.slack.settings import Settings
from sandbox.slack.workspace import Workspace

Method = Callable[["App", Json], Json]
Item = TypeVar("Item")
LONGEST_PAGE = 999


@dataclass(slots=True)
class App:
    """The app's side of a simulation: its workspace, its rights and the state of its tokens."""

    workspace: Workspace
    messages: Messages
    places: Places
    settings: Settings
    scopes: frozenset[str] = ALL_SCOPES
    token_error: str | None = None
    uploads: dict[str, Json] = field(default_factory=dict)
    base_url: str = ""
    new_socket_url: Callable[[], str] = lambda: ""

    def visible(self, reference: str, *, by_name: bool = False) -> Channel:
        """A channel whose existence the bot may know. Error: channel_not_found."""
        channel = self.workspace.channels.get(reference)
        if channel is None and by_name:
            channel = self.workspace.channel(reference)
        if channel is None or (channel.type is not ChannelType.PUBLIC and not self.workspace.app_sees(channel)):
            raise SlackError("channel_not_found")
        return channel

    def joined(self, reference: str, *, by_name: bool = False) -> Channel:
        """A channel that the bot is in. Errors: channel_not_found, not_in_channel."""
        channel = self.visible(reference, by_name=by_name)
        if not self.workspace.app_sees(channel):
            raise SlackError("not_in_channel")
        return channel


def page_limit(arguments: Json, default: int) -> int:
    """The page size asked for. Error: invalid_limit outside 1 to 999."""
    limit: int = arguments.get("limit", default)
    if not 1 <= limit <= max(LONGEST_PAGE, default):
        raise SlackError("invalid_limit")
    return limit


def cursor_for(position: str) -> str:
    """An opaque cursor that says where the next page begins."""
    return base64.b64encode(f"next:{position}".encode()).decode()


def position_of(arguments: Json) -> str | None:
    """Where a page begins; None without a cursor. Error: invalid_cursor."""
    cursor = arguments.get("cursor")
    if not cursor:
        return None
    try:
        decoded = base64.b64decode(cursor, validate=True).decode()
    except (binascii.Error, ValueError):
        raise SlackError("invalid_cursor") from None
    if not decoded.startswith("next:"):
        raise SlackError("invalid_cursor")
    return decoded.removeprefix("next:")


def page_of(items: Sequence[Item], arguments: Json, default: int) -> tuple[list[Item], Json]:
    """One page of a list that only grows, and the `response_metadata` with the cursor of the next."""
    limit = page_limit(arguments, default)
    position = position_of(arguments)
    if position is not None and not position.isdigit():
        raise SlackError("invalid_cursor")
    start = int(position or 0)
    following = start + limit
    cursor = cursor_for(str(following)) if following < len(items) else ""
    return list(items[start:following]), {"response_metadata": {"next_cursor": cursor}}


def require(arguments: Json, name: str) -> str:
    """A string argument that this form of the call can't do without."""
    if name not in arguments:
        raise invalid_arguments(f"missing required field: {name}")
    value: str = arguments[name]
    return value
