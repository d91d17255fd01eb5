"""The registry of topics. Deployment files, documents and `okno topics` are generated from it or checked against it.

The number of partitions is frozen for a topic's version: changing it would break the order of keys.
"""

from dataclasses import dataclass
from datetime import timedelta

from contracts import (
    chat_events_v1,
    chat_installations_v1,
    chat_profiles_v1,
    chat_receipts_v1,
    chat_replies_v1,
    chat_requests_v1,
    desk_policy_v1,
    desk_staff_v1,
    ticket_commands_v1,
    ticket_events_v1,
)
from contracts.base import RecordModel

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""The largest value a service writes. Topics take a little more, for the key, headers and a dead letter's cause."""

TOPIC_MAX_MESSAGE_BYTES = MAX_RECORD_BYTES + 64 * 1024
PARTITIONS = 12


@dataclass(frozen=True, slots=True)
class Topic:
    """`retention` is None where the topic is compacted: the latest record of each key is kept."""

    name: str
    key: str
    models: tuple[type[RecordModel], ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    purpose: str
    retention: timedelta | None = timedelta(days=7)

    @property
    def compacted(self) -> bool:
        return self.retention is None

    @property
    def partitions(self) -> int:
        return 1 if self.compacted else PARTITIONS


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "chat.events.v1",
            "channel key",
            (
                chat_events_v1.MessagePosted,
                chat_events_v1.MessageEdited,
                chat_events_v1.MessageDeleted,
                chat_events_v1.ReactionChanged,
                chat_events_v1.ButtonPressed,
                chat_events_v1.ChannelMoved,
            ),
            ("ingest",),
            ("router", "ingest"),
            "What happened in the chats, normalized.",
        ),
        Topic(
            "chat.requests.v1",
            "channel key, or the platform for all its channels",
            (chat_requests_v1.ReadThread, chat_requests_v1.ReadHistory),
            ("router", "ticketing", "ingest", "cli"),
            ("ingest",),
            "What ingest is asked to fetch from a platform.",
        ),
        Topic(
            "chat.profiles.v1",
            "person key or channel key",
            (chat_profiles_v1.PersonProfile, chat_profiles_v1.ChannelProfile),
            ("ingest",),
            ("router", "ticketing"),
            "Who people and channels are.",
            retention=None,
        ),
        Topic(
            "chat.installations.v1",
            "platform and workspace",
            (chat_installations_v1.Installation,),
            ("ingest",),
            ("notifier",),
            "Connected workspaces and bots, their tokens encrypted.",
            retention=None,
        ),
        Topic(
            "ticket.commands.v1",
            "channel key",
            (
                ticket_commands_v1.PlaceMessage,
                ticket_commands_v1.ReviseMessage,
                ticket_commands_v1.RemoveMessage,
                ticket_commands_v1.RecordReaction,
                ticket_commands_v1.CloseTicket,
                ticket_commands_v1.RecordAutomaticAnswer,
                ticket_commands_v1.MoveChannel,
            ),
            ("router",),
            ("ticketing",),
            "What the router decided.",
        ),
        Topic(
            "ticket.events.v1",
            "ticket id",
            (ticket_events_v1.TicketChanged,),
            ("ticketing",),
            ("router",),
            "Each change of a ticket with its state afterwards.",
            retention=timedelta(days=30),
        ),
        Topic(
            "desk.staff.v1",
            "chat identity",
            (desk_staff_v1.StaffIdentity,),
            ("ticketing",),
            ("router",),
            "Which chat identities belong to the desk.",
            retention=None,
        ),
        Topic(
            "desk.policy.v1",
            "the word policy",
            (desk_policy_v1.PolicyPublished,),
            ("ticketing",),
            ("router",),
            "The rules by which the router decides.",
            retention=None,
        ),
        Topic(
            "chat.replies.v1",
            "channel key",
            (
                chat_replies_v1.PostReply,
                chat_replies_v1.EditReply,
                chat_replies_v1.DeleteReply,
                chat_replies_v1.ResendReply,
                chat_replies_v1.ConfirmReply,
                chat_replies_v1.CancelReply,
            ),
            ("ticketing", "router"),
            ("notifier",),
            "What is to be posted, changed or withdrawn in a chat.",
        ),
        Topic(
            "chat.receipts.v1",
            "channel key",
            (chat_receipts_v1.DeliveryChanged,),
            ("notifier",),
            ("ticketing", "router"),
            "The fate of each delivery.",
        ),
    )
}

DEAD_RETENTION = timedelta(days=30)


def dead_topic(name: str) -> str:
    """Where records of topic `name` go that can't be processed. Same key, same number of partitions."""
    return f"{name}.dead"


def original_topic(dead: str) -> str:
    return dead.removesuffix(".dead")


MODELS: dict[str, type[RecordModel]] = {model.TYPE: model for topic in TOPICS.values() for model in topic.models}
TOPIC_OF: dict[type[RecordModel], Topic] = {model: topic for topic in TOPICS.values() for model in topic.models}
