"""The state of one workspace and who may see what. Nothing is sent from here; outlets are told.

Every change reaches two outlets: `event` for what the app is told (only where its bot is a member, or of the workspace
as a whole), and `happened` for whoever watches the whole workspace, as people see it.
"""

import random
import uuid
from collections.abc import Callable

from sandbox.clock import Clock
from sandbox.slack.errors import SlackError
from sandbox.slack.identity import Identity
from sandbox.slack.model import Channel, ChannelType, File, Json, Message, User

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Workspace:
    """Users, channels and files by id, with look-ups by name and the ids and moments of new things."""

    def __init__(
        self,
        identity: Identity,
        clock: Clock,
        *,
        seed: int | None = None,
        event: Callable[[Json, str], None],
        happened: Callable[[str, Json], None],
    ) -> None:
        self.identity = identity
        self.clock = clock
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.files_url = "https://files.slack.com/files-pri/"
        self.happened = happened
        self._event = event
        self._random = random.Random(seed)
        self.bot = User(
            id=identity.bot_user_id,
            name=identity.bot_name,
            real_name=identity.bot_name,
            display_name="",
            email=None,
            tz="Etc/UTC",
            locale="en-US",
            updated=int(clock.now()),
            bot_id=identity.bot_id,
            app_id=identity.app_id,
        )
        self.users[self.bot.id] = self.bot

    def new_id(self, prefix: str) -> str:
        """An id of Slack's form, unused so far."""
        while True:
            candidate = prefix + "0" + "".join(self._random.choices(ALPHABET, k=9))
            if candidate not in self.users and candidate not in self.channels and candidate not in self.files:
                return candidate

    def new_client_msg_id(self) -> str:
        """A UUID as Slack's client makes for each message that a person sends."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def user(self, reference: str) -> User:
        """A user by id, or by name as people write it (a leading @ is dropped). Error: user_not_found."""
        found = self.users.get(reference)
        if found is None:
            name = reference.removeprefix("@")
            found = next((user for user in self.users.values() if user.name == name), None)
        if found is None:
            raise SlackError("user_not_found")
        return found

    def channel(self, reference: str) -> Channel:
        """A channel by id, or by name (a leading # is dropped). Error: channel_not_found."""
        found = self.channels.get(reference)
        if found is None:
            name = reference.removeprefix("#")
            found = next((channel for channel in self.channels.values() if channel.name == name), None)
        if found is None:
            raise SlackError("channel_not_found")
        return found

    def message(self, channel: Channel, ts: str) -> Message:
        """A message that is still there. Error: message_not_found, for a tombstone too."""
        found = channel.messages.get(ts)
        if found is None or found.tombstone:
            raise SlackError("message_not_found")
        return found

    def dialog(self, users: list[str], kind: ChannelType) -> Channel | None:
        """The DM or group DM of exactly these users."""
        wanted = sorted(users)
        for channel in self.channels.values():
            if channel.type is kind and sorted(channel.members) == wanted:
                return channel
        return None

    def app_sees(self, channel: Channel) -> bool:
        """Whether events of the channel reach the app: its bot is a member."""
        return self.bot.id in channel.members

    def event(self, event: Json, channel: Channel | None = None) -> None:
        """Tells the app, in order per channel; of a channel that it isn't in, it hears nothing."""
        if channel is None:
            self._event(event, "workspace")
        elif self.app_sees(channel):
            self._event(event, channel.id)

    def moment_ts(self, at: float | None = None) -> str:
        """An `event_ts` for something that is not a message."""
        micros = round((self.clock.now() if at is None else at) * 1_000_000)
        return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
