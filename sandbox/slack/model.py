"""What a workspace consists of. Plain records: every change goes through `workspace`, `messages` and `places`."""

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class ChannelType(StrEnum):
    """The four kinds of conversations; the values are the `channel_type` of events."""

    PUBLIC = "channel"
    PRIVATE = "group"
    IM = "im"
    MPIM = "mpim"


@dataclass(slots=True)
class User:
    """A person or a bot. `staff` says that the person is on the desk's side; Slack knows nothing of it."""

    id: str
    name: str
    real_name: str
    display_name: str
    email: str | None
    tz: str
    locale: str
    updated: int
    staff: bool = False
    bot_id: str | None = None
    app_id: str | None = None
    deleted: bool = False

    @property
    def is_bot(self) -> bool:
        """Whether it posts as a bot."""
        return self.bot_id is not None


@dataclass(slots=True)
class File:
    """An uploaded file; `content` is served at `url_private` to holders of the bot's token."""

    id: str
    name: str
    mimetype: str
    user: str
    created: int
    content: bytes = b""
    title: str = ""
    url_base: str = "https://files.slack.com/files-pri/"
    shares: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    """One message as the workspace keeps it. `text` is in wire form: `&`, `<`, `>` escaped, mentions as `<@U1>`."""

    ts: str
    user: str
    text: str
    subtype: str | None = None
    thread_ts: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    username: str | None = None
    icons: Json | None = None
    client_msg_id: str | None = None
    blocks: list[Json] | None = None
    composed: bool = False
    """Typed in Slack's editor, which adds a rich_text block of the same content."""
    attachments: list[Json] | None = None
    files: list[File] = field(default_factory=list)
    metadata: Json | None = None
    edited: Json | None = None
    inviter: str | None = None
    extra: Json = field(default_factory=dict)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    reply_users: list[str] = field(default_factory=list)
    tombstone: bool = False

    @property
    def is_reply(self) -> bool:
        """Whether it lives in another message's thread."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def is_broadcast(self) -> bool:
        """Whether a reply is also shown in the channel."""
        return self.subtype == "thread_broadcast"


@dataclass(slots=True)
class Channel:
    """One conversation; `order` holds the ids of its messages, which only grow, in the order of their ts."""

    id: str
    type: ChannelType
    name: str | None
    created: int
    creator: str
    members: list[str] = field(default_factory=list)
    archived: bool = False
    topic: str = ""
    purpose: str = ""
    last_ts: int = 0
    messages: dict[str, Message] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Appends a message whose ts is the newest."""
        self.messages[message.ts] = message
        self.order.append(message.ts)

    def remove(self, ts: str) -> Message:
        """Takes a message out of the conversation."""
        index = bisect_left(self.order, microseconds(ts), key=microseconds)
        del self.order[index]
        return self.messages.pop(ts)

    def next_ts(self, moment: float) -> str:
        """A ts at `moment` (seconds since the epoch), or just after the channel's last one: unique and increasing."""
        self.last_ts = max(round(moment * 1_000_000), self.last_ts + 1)
        return f"{self.last_ts // 1_000_000}.{self.last_ts % 1_000_000:06d}"


def microseconds(ts: str) -> int:
    """A ts (`1700000000.000100`; shorter fractions count as Slack writes them) as whole microseconds."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int((fraction + "000000")[:6])
