"""What can be done with messages, by people and by the app alike; who may do it is the caller's question.

Every change is complete before its events are handed out, and an event shows the state right after its change.
"""

from dataclasses import dataclass, field

from sandbox.slack import shapes
from sandbox.slack.errors import SlackError
from sandbox.slack.model import Channel, ChannelType, File, Json, Message, User
from sandbox.slack.text import mentioned
from sandbox.slack.workspace import Workspace

SYSTEM_SUBTYPES = frozenset(
    {"channel_join", "channel_leave", "channel_name", "channel_topic", "channel_purpose", "channel_archive"}
)


@dataclass(slots=True)
class Draft:
    """A message about to be posted; `text` is in wire form, `at` (epoch seconds) sets its ts instead of the clock."""

    author: User
    text: str
    thread_ts: str | None = None
    broadcast: bool = False
    subtype: str | None = None
    blocks: list[Json] | None = None
    attachments: list[Json] | None = None
    metadata: Json | None = None
    files: list[File] = field(default_factory=list)
    username: str | None = None
    icons: Json | None = None
    inviter: str | None = None
    extra: Json = field(default_factory=dict)
    at: float | None = None


@dataclass(slots=True)
class Revision:
    """New content for a message; what is None stays, except for blocks and attachments, which go unless given."""

    text: str | None
    blocks: list[Json] | None = None
    attachments: list[Json] | None = None
    metadata: Json | None = None
    at: float | None = None


class Messages:
    """Posting, editing, deleting and reacting, with the events each of these causes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def json(self, channel: Channel, message: Message, *, metadata: shapes.Metadata = "full") -> Json:
        """A message as Slack writes it."""
        author = self._workspace.users.get(message.user)
        return shapes.message_json(message, channel, self._workspace.identity, author, metadata=metadata)

    def post(self, channel: Channel, draft: Draft) -> Message:
        """Adds a message. Errors: is_archived, thread_not_found (no such root), cannot_reply_to_message."""
        if channel.archived:
            raise SlackError("is_archived")
        root = self._root(channel, draft.thread_ts)
        workspace = self._workspace
        author = draft.author
        ts = channel.next_ts(workspace.clock.now() if draft.at is None else draft.at)
        typed = not author.is_bot and draft.subtype not in SYSTEM_SUBTYPES
        classic = draft.subtype == "bot_message"
        message = Message(
            ts=ts,
            user=author.id,
            text=draft.text,
            subtype=draft.subtype or ("file_share" if draft.files else None),
            thread_ts=root.ts if root else None,
            bot_id=author.bot_id,
            app_id=None if classic else author.app_id,
            username=draft.username or (author.name if classic else None),
            icons=draft.icons,
            client_msg_id=workspace.new_client_msg_id() if typed and not draft.files else None,
            blocks=draft.blocks,
            attachments=draft.attachments,
            files=draft.files,
            metadata=draft.metadata,
            inviter=draft.inviter,
            extra=draft.extra,
        )
        message.composed = typed and bool(draft.text)
        if root and draft.broadcast:
            message.subtype = "thread_broadcast"
        channel.add(message)
        for file in draft.files:
            file.shares.append((channel.id, ts))
        if root:
            self._join_thread(root, message)
        self._tell_posted(channel, message, root)
        return message

    def edit(self, channel: Channel, message: Message, revision: Revision, editor: User) -> Message:
        """Replaces the content. The edit's time has whole seconds, as Slack's `edited.ts` does."""
        previous = self.json(channel, message)
        workspace = self._workspace
        event_ts = channel.next_ts(workspace.clock.now() if revision.at is None else revision.at)
        if revision.text is not None:
            message.text = revision.text
        message.blocks = revision.blocks
        message.attachments = revision.attachments
        message.composed = not editor.is_bot
        if revision.metadata is not None:
            message.metadata = revision.metadata or None
        message.edited = {"user": editor.id, "ts": f"{event_ts.partition('.')[0]}.000000"}
        self._tell_changed(channel, message, previous, event_ts)
        if mentioned(message.text, workspace.bot.id) and message.user != workspace.bot.id:
            self._tell_mentioned(channel, message)
        return message

    def unfurl(self, channel: Channel, message: Message, attachments: list[Json]) -> Message:
        """Adds previews: a message_changed with the text unchanged and no `edited`."""
        previous = self.json(channel, message)
        message.attachments = (message.attachments or []) + attachments
        self._tell_changed(channel, message, previous, channel.next_ts(self._workspace.clock.now()))
        return message

    def delete(self, channel: Channel, message: Message, at: float | None = None) -> None:
        """Removes a message; a root that still has replies becomes a tombstone instead."""
        previous = self.json(channel, message)
        event_ts = channel.next_ts(self._workspace.clock.now() if at is None else at)
        happened: Json = {"channel": channel.id, "ts": message.ts, "thread_ts": message.thread_ts}
        if message.replies:
            message.tombstone = True
            message.reactions.clear()
            self._tell_changed(channel, message, previous, event_ts, announce=False)
            self._workspace.happened("message_deleted", happened | {"tombstone": True})
            return
        channel.remove(message.ts)
        self._workspace.event(
            {
                "type": "message",
                "subtype": "message_deleted",
                "hidden": True,
                "deleted_ts": message.ts,
                "previous_message": previous,
                "channel": channel.id,
                "ts": event_ts,
                "event_ts": event_ts,
                "channel_type": channel.type.value,
            },
            channel,
        )
        self._leave_thread(channel, message)
        self._workspace.happened("message_deleted", happened | {"tombstone": False})

    def react(self, channel: Channel, message: Message, user: User, name: str, at: float | None = None) -> None:
        """Adds a reaction. Error: already_reacted."""
        users = message.reactions.setdefault(name, [])
        if user.id in users:
            raise SlackError("already_reacted")
        users.append(user.id)
        self._tell_reaction("reaction_added", channel, message, user, name, at)

    def unreact(self, channel: Channel, message: Message, user: User, name: str, at: float | None = None) -> None:
        """Takes a reaction back. Error: no_reaction."""
        users = message.reactions.get(name, [])
        if user.id not in users:
            raise SlackError("no_reaction")
        users.remove(user.id)
        if not users:
            del message.reactions[name]
        self._tell_reaction("reaction_removed", channel, message, user, name, at)

    def permalink(self, channel: Channel, message: Message) -> str:
        """The message's address in Slack's web client."""
        link = f"{self._workspace.identity.url}archives/{channel.id}/p{message.ts.replace('.', '')}"
        return f"{link}?thread_ts={message.thread_ts}&cid={channel.id}" if message.is_reply else link

    def _root(self, channel: Channel, thread_ts: str | None) -> Message | None:
        if thread_ts is None:
            return None
        root = channel.messages.get(thread_ts)
        if root is None or root.is_reply:
            raise SlackError("thread_not_found")
        if root.subtype in SYSTEM_SUBTYPES:
            raise SlackError("cannot_reply_to_message")
        return root

    def _join_thread(self, root: Message, reply: Message) -> None:
        root.thread_ts = root.ts
        root.replies.append(reply.ts)
        if reply.user not in root.reply_users:
            root.reply_users.append(reply.user)

    def _leave_thread(self, channel: Channel, reply: Message) -> None:
        root = channel.messages.get(reply.thread_ts or "")
        if root is None or root is reply:
            return
        root.replies.remove(reply.ts)
        left = {channel.messages[ts].user for ts in root.replies}
        root.reply_users = [user for user in root.reply_users if user in left]
        if root.tombstone:
            # Slack shows the previous state of a tombstone as an empty array, not as an object.
            event_ts = channel.next_ts(self._workspace.clock.now())
            self._tell_changed(channel, root, [], event_ts, announce=False)
        elif not root.replies:
            root.thread_ts = None

    def _tell_posted(self, channel: Channel, message: Message, root: Message | None) -> None:
        workspace = self._workspace
        shown = self.json(channel, message)
        event = shown | {"channel": channel.id, "event_ts": message.ts, "channel_type": channel.type.value}
        if root and message.is_broadcast:
            event["root"] = self.json(channel, root)
        workspace.event(event, channel)
        if mentioned(message.text, workspace.bot.id) and message.user != workspace.bot.id:
            self._tell_mentioned(channel, message)
        workspace.happened("message_posted", {"channel": channel.id, "message": shown})
        if root and message.is_broadcast:
            self._tell_changed(channel, message, shown, channel.next_ts(workspace.clock.now()), announce=False)

    def _tell_mentioned(self, channel: Channel, message: Message) -> None:
        if channel.type is ChannelType.IM or message.subtype in SYSTEM_SUBTYPES:
            return
        names = ("client_msg_id", "user", "text", "ts", "team", "blocks", "thread_ts", "parent_user_id", "edited")
        shown = self.json(channel, message)
        event = {"type": "app_mention"} | {name: shown[name] for name in names if name in shown}
        self._workspace.event(event | {"channel": channel.id, "event_ts": message.ts}, channel)

    def _tell_changed(
        self, channel: Channel, message: Message, previous: Json | list[Json], event_ts: str, *, announce: bool = True
    ) -> None:
        workspace = self._workspace
        team = {"source_team": workspace.identity.team_id, "user_team": workspace.identity.team_id}
        shown = self.json(channel, message) | ({} if message.tombstone else team)
        workspace.event(
            {
                "type": "message",
                "subtype": "message_changed",
                "hidden": True,
                "message": shown,
                "previous_message": previous,
                "channel": channel.id,
                "ts": event_ts,
                "event_ts": event_ts,
                "channel_type": channel.type.value,
            },
            channel,
        )
        if announce:
            workspace.happened("message_changed", {"channel": channel.id, "message": shown})

    def _tell_reaction(
        self, kind: str, channel: Channel, message: Message, user: User, name: str, at: float | None
    ) -> None:
        event: Json = {
            "type": kind,
            "user": user.id,
            "reaction": name,
            "item": {"type": "message", "channel": channel.id, "ts": message.ts},
            "event_ts": self._workspace.moment_ts(at),
        }
        if message.user and message.subtype != "bot_message":
            event["item_user"] = message.user
        self._workspace.event(event, channel)
        self._workspace.happened(kind, {"channel": channel.id, "ts": message.ts, "user": user.id, "reaction": name})
