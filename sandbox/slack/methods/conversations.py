"""conversations.*: reading channels and threads, and the bot's own comings and goings."""

from bisect import bisect_left, bisect_right

from sandbox.slack import shapes
from sandbox.slack.arguments import TIMESTAMP
from sandbox.slack.errors import SlackError
from sandbox.slack.methods.app import App, cursor_for, page_limit, page_of, position_of
from sandbox.slack.model import Channel, ChannelType, Json, microseconds

TYPES = {
    "public_channel": ChannelType.PUBLIC,
    "private_channel": ChannelType.PRIVATE,
    "mpim": ChannelType.MPIM,
    "im": ChannelType.IM,
}
HISTORY_PAGE, REPLIES_PAGE, LIST_PAGE = 100, 1000, 100
OUTSIDE_MARKETPLACE_PAGE = 15
MOST_MPIM_USERS = 8


def history(app: App, arguments: Json) -> Json:
    """A channel's messages, newest first, without replies (but with those also sent to the channel)."""
    channel = app.joined(arguments["channel"])
    start, end = _window(channel.order, arguments)
    position = position_of(arguments)
    if position is not None:
        end = min(end, bisect_right(channel.order, _position(position), key=microseconds))
    limit = page_limit(arguments, HISTORY_PAGE)
    if not app.settings.marketplace:
        limit = min(limit, OUTSIDE_MARKETPLACE_PAGE)
    found: list[str] = []
    following = None
    for index in range(end - 1, start - 1, -1):
        message = channel.messages[channel.order[index]]
        if message.is_reply and not message.is_broadcast:
            continue
        if len(found) == limit:
            following = message.ts
            break
        found.append(message.ts)
    return _page(app, channel, found, following, arguments) | {"pin_count": 0}


def replies(app: App, arguments: Json) -> Json:
    """A thread, oldest first; the root comes first on every page. Error: thread_not_found."""
    channel = app.joined(arguments["channel"])
    asked = channel.messages.get(arguments["ts"])
    root = channel.messages.get(asked.thread_ts or asked.ts) if asked else None
    if root is None:
        raise SlackError("thread_not_found")
    start, end = _window(root.replies, arguments)
    position = position_of(arguments)
    if position is not None:
        start = max(start, bisect_left(root.replies, _position(position), key=microseconds))
    limit = page_limit(arguments, REPLIES_PAGE)
    if not app.settings.marketplace:
        limit = min(limit, OUTSIDE_MARKETPLACE_PAGE)
    stop = min(end, start + max(limit - 1, 1))
    following = root.replies[stop] if stop < end else None
    return _page(app, channel, [root.ts, *root.replies[start:stop]], following, arguments)


def info(app: App, arguments: Json) -> Json:
    """One channel."""
    channel = app.visible(arguments["channel"])
    body = _json(app, channel)
    if arguments.get("include_num_members"):
        body["num_members"] = len(channel.members)
    return {"channel": body}


def list_all(app: App, arguments: Json) -> Json:
    """The channels that the bot may know of: all public ones, others only if it is in them."""
    kinds = _kinds(arguments)
    channels = [
        channel
        for channel in app.workspace.channels.values()
        if channel.type in kinds
        and (channel.type is ChannelType.PUBLIC or app.workspace.app_sees(channel))
        and not (arguments.get("exclude_archived") and channel.archived)
    ]
    page, more = page_of(channels, arguments, LIST_PAGE)
    shown = [_json(app, channel) | {"num_members": len(channel.members)} for channel in page]
    return {"channels": shown} | more


def of_user(app: App, arguments: Json) -> Json:
    """users.conversations: the channels that the bot (or a named user) is a member of."""
    member = arguments.get("user", app.workspace.bot.id)
    kinds = _kinds(arguments)
    channels = [
        channel
        for channel in app.workspace.channels.values()
        if channel.type in kinds
        and member in channel.members
        and (channel.type is ChannelType.PUBLIC or app.workspace.app_sees(channel))
        and not (arguments.get("exclude_archived") and channel.archived)
    ]
    page, more = page_of(channels, arguments, LIST_PAGE)
    return {"channels": [_json(app, channel) for channel in page]} | more


def members(app: App, arguments: Json) -> Json:
    """The ids of a channel's members."""
    channel = app.visible(arguments["channel"])
    page, more = page_of(channel.members, arguments, LIST_PAGE)
    return {"members": page} | more


def join(app: App, arguments: Json) -> Json:
    """Takes the bot into a public channel."""
    channel = app.visible(arguments["channel"])
    if channel.type is not ChannelType.PUBLIC:
        raise SlackError("method_not_supported_for_channel_type")
    if channel.archived:
        raise SlackError("is_archived")
    joined = app.places.join(channel, app.workspace.bot)
    body: Json = {"channel": _json(app, channel)}
    if not joined:
        body |= {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return body


def leave(app: App, arguments: Json) -> Json:
    """Takes the bot out of a channel."""
    channel = app.visible(arguments["channel"])
    if channel.type in (ChannelType.IM, ChannelType.MPIM):
        raise SlackError("method_not_supported_for_channel_type")
    if not app.places.leave(channel, app.workspace.bot):
        return {"not_in_channel": True}
    return {}


def open_dialog(app: App, arguments: Json) -> Json:
    """The bot's dialog with one person, or a group DM with up to eight."""
    if "channel" in arguments:
        channel = app.visible(arguments["channel"])
        if channel.type not in (ChannelType.IM, ChannelType.MPIM):
            raise SlackError("method_not_supported_for_channel_type")
        return _opened(app, channel, arguments, already=True)
    names = [name.strip() for name in arguments.get("users", "").split(",") if name.strip()]
    if not names:
        raise SlackError("users_list_not_supplied")
    if len(names) > MOST_MPIM_USERS:
        raise SlackError("too_many_users")
    if any(name not in app.workspace.users for name in names):
        raise SlackError("user_not_found")
    users = [app.workspace.users[name] for name in dict.fromkeys(names)]
    if any(user.deleted for user in users):
        raise SlackError("user_disabled")
    if all(user.is_bot for user in users):
        raise SlackError("cannot_dm_bot")
    others = [user for user in users if user is not app.workspace.bot]
    channel, already = app.places.open_dialog([app.workspace.bot, *others])
    return _opened(app, channel, arguments, already=already)


def _opened(app: App, channel: Channel, arguments: Json, *, already: bool) -> Json:
    body: Json = {"channel": _json(app, channel) if arguments.get("return_im") else {"id": channel.id}}
    return body | ({"no_op": True, "already_open": True} if already else {})


def _json(app: App, channel: Channel) -> Json:
    return shapes.channel_json(channel, app.workspace.bot.id, app.workspace.identity)


def _kinds(arguments: Json) -> set[ChannelType]:
    names = [name.strip() for name in arguments.get("types", "public_channel").split(",")]
    if any(name not in TYPES for name in names):
        raise SlackError("invalid_types")
    return {TYPES[name] for name in names}


def _window(order: list[str], arguments: Json) -> tuple[int, int]:
    """The index range between `oldest` and `latest`, both exclusive unless `inclusive`."""
    for name in ("oldest", "latest"):
        if name in arguments and not TIMESTAMP.fullmatch(arguments[name]):
            raise SlackError(f"invalid_ts_{name}")
    inclusive = arguments.get("inclusive", False)
    low, high = 0, len(order)
    if "oldest" in arguments:
        find = bisect_left if inclusive else bisect_right
        low = find(order, microseconds(arguments["oldest"]), key=microseconds)
    if "latest" in arguments:
        find = bisect_right if inclusive else bisect_left
        high = find(order, microseconds(arguments["latest"]), key=microseconds)
    return low, max(low, high)


def _position(position: str) -> int:
    if not TIMESTAMP.fullmatch(position):
        raise SlackError("invalid_cursor")
    return microseconds(position)


def _page(app: App, channel: Channel, found: list[str], following: str | None, arguments: Json) -> Json:
    metadata: shapes.Metadata = "full" if arguments.get("include_all_metadata") else "type"
    messages = [app.messages.json(channel, channel.messages[ts], metadata=metadata) for ts in found]
    body: Json = {"messages": messages, "has_more": following is not None}
    if following is not None:
        body["response_metadata"] = {"next_cursor": cursor_for(following)}
    return body
