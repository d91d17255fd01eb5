"""The people's half of the control API: users, channels, messages, reactions."""

import mimetypes

from aiohttp import web

from sandbox.slack.control_request import Handler, Kind, fields, moment, number
from sandbox.slack.errors import SlackError
from sandbox.slack.messages import Draft, Revision
from sandbox.slack.model import Channel, ChannelType, File, Json, Message, User, microseconds
from sandbox.slack.shapes import reactions_json
from sandbox.slack.simulation import Simulation
from sandbox.slack.text import typed
from sandbox.slack.views import message_view

TYPES = {
    "public": ChannelType.PUBLIC,
    "private": ChannelType.PRIVATE,
    "mpim": ChannelType.MPIM,
    "im": ChannelType.IM,
}
AT: dict[str, Kind] = {"at": str | int | float}
TYPED: dict[str, Kind] = {"raw": bool, "mentions": list | dict}
SUBTYPES = (None, "me_message", "bot_message")
USER_FIELDS: dict[str, Kind] = {
    "real_name": str,
    "display_name": str,
    "email": str,
    "tz": str,
    "locale": str,
    "staff": bool,
}


class PeopleControl:
    """What people do."""

    def __init__(self, simulation: Simulation) -> None:
        self._workspace = simulation.workspace
        self._places = simulation.places
        self._messages = simulation.messages

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Method and path of each call."""
        message = "/messages/{channel}/{ts}"
        return {
            ("POST", "/users"): self.create_user,
            ("GET", "/users"): self.list_users,
            ("PATCH", "/users/{user}"): self.change_user,
            ("POST", "/channels"): self.create_channel,
            ("GET", "/channels"): self.list_channels,
            ("PATCH", "/channels/{channel}"): self.change_channel,
            ("POST", "/channels/{channel}/join"): self.join,
            ("POST", "/channels/{channel}/leave"): self.leave,
            ("GET", "/channels/{channel}/messages"): self.list_messages,
            ("GET", "/channels/{channel}/threads"): self.list_threads,
            ("POST", "/dms"): self.open_dialog,
            ("POST", "/messages"): self.post,
            ("PATCH", message): self.edit,
            ("DELETE", message): self.delete,
            ("POST", f"{message}/unfurl"): self.unfurl,
            ("POST", f"{message}/reactions"): self.react,
            ("DELETE", f"{message}/reactions"): self.unreact,
        }

    async def create_user(self, request: web.Request) -> Json:
        """Answers POST /users."""
        body = await fields(request, {"name": str}, USER_FIELDS | {"bot": bool})
        return {"user": self._places.user_view(self._places.add_user(**body))}

    async def list_users(self, _request: web.Request) -> Json:
        """Answers GET /users."""
        return {"users": [self._places.user_view(user) for user in self._workspace.users.values()]}

    async def change_user(self, request: web.Request) -> Json:
        """Answers PATCH /users/{user}."""
        user = self._workspace.user(request.match_info["user"])
        body = await fields(request, {}, USER_FIELDS | {"name": str, "deleted": bool})
        return {"user": self._places.user_view(self._places.change_user(user, body))}

    async def create_channel(self, request: web.Request) -> Json:
        """Answers POST /channels."""
        body = await fields(request, {}, {"name": str, "type": str, "members": list, "bot": bool, "topic": str})
        kind = TYPES.get(body.get("type", "public"))
        if kind is None:
            raise SlackError("invalid_field", field="type", known=sorted(TYPES))
        members = [self._workspace.user(name) for name in body.get("members", [])]
        if body.get("bot", True):
            members.append(self._workspace.bot)
        if kind in (ChannelType.IM, ChannelType.MPIM):
            channel, _ = self._places.open_dialog(members)
        elif "name" not in body:
            raise SlackError("missing_field", field="name")
        else:
            channel = self._places.add_channel(body["name"], kind, members, topic=body.get("topic", ""))
        return {"channel": self._places.channel_view(channel)}

    async def list_channels(self, _request: web.Request) -> Json:
        """Answers GET /channels."""
        return {"channels": [self._places.channel_view(channel) for channel in self._workspace.channels.values()]}

    async def change_channel(self, request: web.Request) -> Json:
        """Answers PATCH /channels/{channel}."""
        channel = self._channel(request)
        body = await fields(request, {}, {"name": str, "archived": bool, "new_id": bool, "by": str})
        by = self._workspace.user(body.get("by", channel.creator))
        answer: Json = {}
        if "name" in body:
            self._places.rename_channel(channel, body["name"], by)
        if "archived" in body:
            self._places.archive(channel, by, archived=body["archived"])
        if body.get("new_id"):
            answer["old_id"] = self._places.change_channel_id(channel)
        return answer | {"channel": self._places.channel_view(channel)}

    async def join(self, request: web.Request) -> Json:
        """Answers POST /channels/{channel}/join."""
        channel = self._channel(request)
        body = await fields(request, {"user": str}, {"inviter": str} | AT)
        inviter = self._workspace.user(body["inviter"]) if "inviter" in body else None
        user = self._workspace.user(body["user"])
        return {"joined": self._places.join(channel, user, inviter, moment(body.get("at")))}

    async def leave(self, request: web.Request) -> Json:
        """Answers POST /channels/{channel}/leave."""
        channel = self._channel(request)
        body = await fields(request, {"user": str}, AT)
        return {"left": self._places.leave(channel, self._workspace.user(body["user"]), moment(body.get("at")))}

    async def open_dialog(self, request: web.Request) -> Json:
        """Answers POST /dms."""
        body = await fields(request, {}, {"user": str, "users": list, "bot": bool})
        names = [*body.get("users", []), *([body["user"]] if "user" in body else [])]
        if not names:
            raise SlackError("missing_field", field="user")
        users = [self._workspace.user(name) for name in names]
        if body.get("bot", True):
            users.append(self._workspace.bot)
        channel, _ = self._places.open_dialog(users)
        return {"channel": self._places.channel_view(channel)}

    async def post(self, request: web.Request) -> Json:
        """Answers POST /messages."""
        optional: dict[str, Kind] = {"text": str, "thread_ts": str, "broadcast": bool, "files": list, "subtype": str}
        body = await fields(request, {"channel": str, "user": str}, optional | TYPED | AT)
        channel, user = self._workspace.channel(body["channel"]), self._workspace.user(body["user"])
        if not body.get("text") and not body.get("files"):
            raise SlackError("no_text")
        subtype = body.get("subtype")
        if subtype not in SUBTYPES or (subtype == "bot_message" and not user.is_bot):
            raise SlackError("invalid_field", field="subtype", known=["me_message", "bot_message"])
        self._enter(channel, user)
        draft = Draft(
            author=user,
            text=self._wire(body),
            thread_ts=body.get("thread_ts"),
            broadcast=body.get("broadcast", False),
            subtype=subtype,
            files=[self._file(entry, user) for entry in body.get("files", [])],
            at=moment(body.get("at")),
        )
        return self._shown(channel, self._messages.post(channel, draft))

    async def edit(self, request: web.Request) -> Json:
        """Answers PATCH /messages/{channel}/{ts}."""
        channel, message = self._message(request)
        body = await fields(request, {"text": str}, TYPED | AT)
        author = self._workspace.user(message.user)
        revision = Revision(text=self._wire(body), attachments=message.attachments, at=moment(body.get("at")))
        return self._shown(channel, self._messages.edit(channel, message, revision, author))

    async def delete(self, request: web.Request) -> Json:
        """Answers DELETE /messages/{channel}/{ts}."""
        channel, message = self._message(request)
        body = await fields(request, {}, AT)
        self._messages.delete(channel, message, moment(body.get("at")))
        return {"channel": channel.id, "ts": message.ts}

    async def unfurl(self, request: web.Request) -> Json:
        """Answers POST /messages/{channel}/{ts}/unfurl."""
        channel, message = self._message(request)
        body = await fields(request, {}, {"attachments": list})
        preview: list[Json] = [{"id": 1, "title": "A page", "title_link": "https://example.com/", "fallback": "A page"}]
        return self._shown(channel, self._messages.unfurl(channel, message, body.get("attachments", preview)))

    async def react(self, request: web.Request) -> Json:
        """Answers POST /messages/{channel}/{ts}/reactions."""
        channel, message = self._message(request)
        body = await fields(request, {"user": str, "name": str}, AT)
        user = self._workspace.user(body["user"])
        self._messages.react(channel, message, user, body["name"], moment(body.get("at")))
        return {"reactions": reactions_json(message)}

    async def unreact(self, request: web.Request) -> Json:
        """Answers DELETE /messages/{channel}/{ts}/reactions."""
        channel, message = self._message(request)
        body = await fields(request, {"user": str, "name": str}, AT)
        user = self._workspace.user(body["user"])
        self._messages.unreact(channel, message, user, body["name"], moment(body.get("at")))
        return {"reactions": reactions_json(message)}

    async def list_messages(self, request: web.Request) -> Json:
        """Answers GET /channels/{channel}/messages."""
        channel = self._channel(request)
        thread_ts, after = request.query.get("thread_ts"), request.query.get("after")
        found = [channel.messages[ts] for ts in channel.order]
        if thread_ts is not None:
            found = [message for message in found if thread_ts in (message.ts, message.thread_ts)]
        if after is not None:
            found = [message for message in found if microseconds(message.ts) > microseconds(after)]
        limit = int(number(request, "limit", 0))
        if limit > 0:
            found = found[:limit] if after is not None else found[-limit:]
        return {"channel": channel.id, "messages": [self._view(channel, message) for message in found]}

    async def list_threads(self, request: web.Request) -> Json:
        """Answers GET /channels/{channel}/threads."""
        channel = self._channel(request)
        roots = [channel.messages[ts] for ts in channel.order if channel.messages[ts].replies]
        threads = [
            {
                "root": self._view(channel, root),
                "replies": [self._view(channel, channel.messages[ts]) for ts in root.replies],
            }
            for root in roots
        ]
        return {"channel": channel.id, "threads": threads}

    def _channel(self, request: web.Request) -> Channel:
        return self._workspace.channel(request.match_info["channel"])

    def _message(self, request: web.Request) -> tuple[Channel, Message]:
        channel = self._channel(request)
        return channel, self._workspace.message(channel, request.match_info["ts"])

    def _enter(self, channel: Channel, user: User) -> None:
        if user.id in channel.members:
            return
        if channel.type is not ChannelType.PUBLIC:
            raise SlackError("not_in_channel")
        channel.members.append(user.id)

    def _wire(self, body: Json) -> str:
        text: str = body.get("text") or ""
        if body.get("raw"):
            return text
        mentions = body.get("mentions") or {}
        if isinstance(mentions, list):
            mentions = {name: name for name in mentions}
        return typed(text, {name: self._workspace.user(user).id for name, user in mentions.items()})

    def _file(self, entry: Json, user: User) -> File:
        name = entry.get("name") or "file.txt"
        file = File(
            id=self._workspace.new_id("F"),
            name=name,
            title=entry.get("title") or "",
            mimetype=entry.get("mimetype") or mimetypes.guess_type(name)[0] or "application/octet-stream",
            user=user.id,
            created=int(self._workspace.clock.now()),
            content=str(entry.get("content") or "").encode(),
            url_base=self._workspace.files_url,
        )
        self._workspace.files[file.id] = file
        return file

    def _view(self, channel: Channel, message: Message) -> Json:
        return message_view(self._workspace, self._messages, channel, message)

    def _shown(self, channel: Channel, message: Message) -> Json:
        return {"channel": channel.id, "ts": message.ts, "message": self._view(channel, message)}
