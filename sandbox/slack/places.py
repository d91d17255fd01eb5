"""Users and channels: creating, renaming, joining and leaving, with the events each of these causes."""

from sandbox.slack import shapes
from sandbox.slack.errors import SlackError
from sandbox.slack.messages import Draft, Messages
from sandbox.slack.model import Channel, ChannelType, Json, User
from sandbox.slack.workspace import Workspace

EVENT_PREFIX = {ChannelType.PUBLIC: "channel", ChannelType.PRIVATE: "group"}


class Places:
    """Changes of users and channels."""

    def __init__(self, workspace: Workspace, messages: Messages) -> None:
        self._workspace = workspace
        self._messages = messages

    def add_user(
        self,
        name: str,
        *,
        real_name: str | None = None,
        display_name: str | None = None,
        email: str | None = None,
        tz: str = "Europe/Berlin",
        locale: str = "en-US",
        staff: bool = False,
        bot: bool = False,
    ) -> User:
        """A new person, or another app's bot. Error: name_taken."""
        if any(user.name == name for user in self._workspace.users.values()):
            raise SlackError("name_taken")
        user = User(
            id=self._workspace.new_id("U"),
            name=name,
            real_name=real_name or name,
            display_name=name if display_name is None else display_name,
            email=email,
            tz=tz,
            locale=locale,
            updated=int(self._workspace.clock.now()),
            staff=staff,
            bot_id=self._workspace.new_id("B") if bot else None,
            app_id=self._workspace.new_id("A") if bot else None,
        )
        self._workspace.users[user.id] = user
        self._tell_user("team_join", user)
        self._workspace.happened("user_created", {"user": self.user_view(user)})
        return user

    def change_user(self, user: User, changes: Json) -> User:
        """Sets any of name, real_name, display_name, email, tz, locale, deleted, staff. Error: name_taken."""
        name = changes.get("name", user.name)
        if any(other.name == name and other is not user for other in self._workspace.users.values()):
            raise SlackError("name_taken")
        for field, value in changes.items():
            setattr(user, field, value)
        user.updated = max(user.updated + 1, int(self._workspace.clock.now()))
        self._tell_user("user_change", user)
        self._workspace.happened("user_changed", {"user": self.user_view(user)})
        return user

    def add_channel(self, name: str | None, kind: ChannelType, members: list[User], *, topic: str = "") -> Channel:
        """A new conversation of these members, silently joined. Error: name_taken."""
        if name is not None and any(channel.name == name for channel in self._workspace.channels.values()):
            raise SlackError("name_taken")
        channel = Channel(
            id=self._workspace.new_id("D" if kind is ChannelType.IM else "C"),
            type=kind,
            name=name,
            created=int(self._workspace.clock.now()),
            creator=members[0].id if members else self._workspace.bot.id,
            members=list(dict.fromkeys(user.id for user in members)),
            topic=topic,
        )
        self._workspace.channels[channel.id] = channel
        self._workspace.happened("channel_created", {"channel": self.channel_view(channel)})
        return channel

    def open_dialog(self, users: list[User]) -> tuple[Channel, bool]:
        """The DM or group DM of exactly these users (the opener included), and whether it was there already."""
        kind = ChannelType.IM if len(users) <= 2 else ChannelType.MPIM
        found = self._workspace.dialog([user.id for user in users], kind)
        if found is not None:
            return found, True
        name = None
        if kind is ChannelType.MPIM:
            name = "mpdm-" + "--".join(user.name for user in users) + "-1"
        return self.add_channel(name, kind, users), False

    def join(self, channel: Channel, user: User, inviter: User | None = None, at: float | None = None) -> bool:
        """Adds a member; False if already one. Tells it as an event and as a message of subtype channel_join."""
        if user.id in channel.members:
            return False
        channel.members.append(user.id)
        event: Json = {
            "type": "member_joined_channel",
            "user": user.id,
            "channel": channel.id,
            "channel_type": "C" if channel.type is ChannelType.PUBLIC else "G",
            "team": self._workspace.identity.team_id,
            "event_ts": self._workspace.moment_ts(at),
        }
        if inviter:
            event["inviter"] = inviter.id
        self._workspace.event(event, channel)
        self._workspace.happened("member_joined", {"channel": channel.id, "user": user.id})
        self._say(channel, user, "channel_join", f"<@{user.id}> has joined the channel", inviter=inviter, at=at)
        return True

    def leave(self, channel: Channel, user: User, at: float | None = None) -> bool:
        """Takes a member out; False if not one. The message of subtype channel_leave comes before."""
        if user.id not in channel.members:
            return False
        self._say(channel, user, "channel_leave", f"<@{user.id}> has left the channel", at=at)
        event: Json = {
            "type": "member_left_channel",
            "user": user.id,
            "channel": channel.id,
            "channel_type": "C" if channel.type is ChannelType.PUBLIC else "G",
            "team": self._workspace.identity.team_id,
            "event_ts": self._workspace.moment_ts(at),
        }
        self._workspace.event(event, channel)
        channel.members.remove(user.id)
        self._workspace.happened("member_left", {"channel": channel.id, "user": user.id})
        return True

    def rename_channel(self, channel: Channel, name: str, by: User) -> Channel:
        """Gives a channel another name. Errors: name_taken, method_not_supported_for_channel_type."""
        prefix = self._prefix(channel)
        if any(other.name == name and other is not channel for other in self._workspace.channels.values()):
            raise SlackError("name_taken")
        old, channel.name = channel.name, name
        body = {"id": channel.id, "name": name, "name_normalized": name, "created": channel.created}
        flags = {"is_channel": prefix == "channel", "is_mpim": False}
        self._workspace.event(
            {"type": f"{prefix}_rename", "channel": body | flags, "event_ts": self._workspace.moment_ts()},
            None if prefix == "channel" else channel,
        )
        text = f'has renamed the channel from "{old}" to "{name}"'
        self._say(channel, by, "channel_name", text, extra={"old_name": old, "name": name})
        self._workspace.happened("channel_changed", {"channel": self.channel_view(channel)})
        return channel

    def archive(self, channel: Channel, by: User, *, archived: bool = True) -> Channel:
        """Closes a channel for posting, or opens it again."""
        prefix = self._prefix(channel)
        if channel.archived is archived:
            return channel
        if archived:
            self._say(channel, by, "channel_archive", f"<@{by.id}> archived the channel")
        channel.archived = archived
        event: Json = {
            "type": f"{prefix}_archive" if archived else f"{prefix}_unarchive",
            "channel": channel.id,
            "user": by.id,
            "event_ts": self._workspace.moment_ts(),
        }
        if archived:
            event["is_moved"] = 0
        self._workspace.event(event, channel)
        self._workspace.happened("channel_changed", {"channel": self.channel_view(channel)})
        return channel

    def change_channel_id(self, channel: Channel) -> str:
        """Gives a channel another id, as happens when it is shared or converted; the old id is unknown afterwards."""
        old = channel.id
        channel.id = self._workspace.new_id(old[0])
        del self._workspace.channels[old]
        self._workspace.channels[channel.id] = channel
        self._workspace.event(
            {
                "type": "channel_id_changed",
                "old_channel_id": old,
                "new_channel_id": channel.id,
                "event_ts": self._workspace.moment_ts(),
            },
            channel,
        )
        happened: Json = {"old_id": old, "channel": self.channel_view(channel)}
        self._workspace.happened("channel_id_changed", happened)
        return old

    def user_view(self, user: User) -> Json:
        """A user for the page and for test drivers."""
        return {
            "id": user.id,
            "name": user.name,
            "real_name": user.real_name,
            "display_name": user.display_name,
            "email": user.email,
            "tz": user.tz,
            "staff": user.staff,
            "is_bot": user.is_bot,
            "deleted": user.deleted,
        }

    def channel_view(self, channel: Channel) -> Json:
        """A channel for the page and for test drivers."""
        return {
            "id": channel.id,
            "type": {"channel": "public", "group": "private"}.get(channel.type.value, channel.type.value),
            "name": channel.name,
            "members": list(channel.members),
            "archived": channel.archived,
            "topic": channel.topic,
            "messages": len(channel.messages),
            "bot_is_member": self._workspace.app_sees(channel),
        }

    def _prefix(self, channel: Channel) -> str:
        if channel.type not in EVENT_PREFIX:
            raise SlackError("method_not_supported_for_channel_type")
        return EVENT_PREFIX[channel.type]

    def _say(
        self,
        channel: Channel,
        user: User,
        subtype: str,
        text: str,
        *,
        inviter: User | None = None,
        at: float | None = None,
        extra: Json | None = None,
    ) -> None:
        if channel.archived:
            return
        draft = Draft(author=user, text=text, subtype=subtype, at=at, extra=extra or {})
        draft.inviter = inviter.id if inviter else None
        self._messages.post(channel, draft)

    def _tell_user(self, kind: str, user: User) -> None:
        shown = shapes.user_json(user, self._workspace.identity, locale=True)
        self._workspace.event({"type": kind, "user": shown, "event_ts": self._workspace.moment_ts()})
