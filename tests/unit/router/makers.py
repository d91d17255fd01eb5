"""Short makers of events, views and policies for the router's tests. Times are seconds after NOW."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.chat import Author, Channel, ChannelType, Command
from contracts.chat_events_v1 import (
    ChannelMoved,
    ChatEvent,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionChanged,
)
from contracts.desk_policy_v1 import Policy
from contracts.keys import ChannelKey, MessageKey, PersonKey, PlaceKey, Platform, message_key
from contracts.ticket_events_v1 import Status
from services.router.decide import decide_once
from services.router.decide.decisions import Decision, PlacePost
from services.router.decide.known import KnownPlace, StaffMember, TicketFacts
from services.router.policy import BUILT_IN, ReadyPolicy
from services.router.view.aliases import Aliases
from services.router.view.overlay import Overlay

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

ALICE = Author(key=PersonKey("slack:U01"), name="Alice")
BOB = Author(key=PersonKey("slack:U02"), name="Bob")
MENTOR = Author(key=PersonKey("slack:U90"), name="Mentor")
OURS = Author(key=PersonKey("slack:UBOT"), name="Okno", is_bot=True, is_self=True)
OTHER_BOT = Author(key=PersonKey("slack:U77"), name="Deploys", is_bot=True, bot_id="B77")
STAFF: Mapping[PersonKey, StaffMember] = {MENTOR.key: StaffMember("agt_mentor", "Mentor")}

COURSE = Channel(
    key=ChannelKey("slack:C01"), platform=Platform.SLACK, workspace="T01", type=ChannelType.PUBLIC, name="course-go"
)
DIRECT = Channel(key=ChannelKey("slack:D01"), platform=Platform.SLACK, workspace="T01", type=ChannelType.DIALOG)
DIALOG = Channel(
    key=ChannelKey("telegram:7700:501"), platform=Platform.TELEGRAM, workspace="7700", type=ChannelType.DIALOG
)
GROUP = Channel(
    key=ChannelKey("telegram:7700:-1001"), platform=Platform.TELEGRAM, workspace="7700", type=ChannelType.GROUP
)
FORUM = Channel(
    key=ChannelKey("telegram:7700:-1002"), platform=Platform.TELEGRAM, workspace="7700", type=ChannelType.FORUM
)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def key_in(channel: Channel, seconds: float) -> MessageKey:
    """Slack's ts is the time; Telegram's ids just grow with it."""
    moment = at(seconds).timestamp()
    return message_key(channel.key, f"{moment:.6f}" if channel.platform is Platform.SLACK else int(moment * 10) % 10**9)


def post(
    author: Author = ALICE,
    seconds: float = 0,
    text: str = "I cannot open the lesson",
    channel: Channel = COURSE,
    *,
    thread: float | str | None = None,
    reply_to: MessageKey | None = None,
    command: Command | None = None,
    **more: Any,
) -> MessagePosted:
    """`thread` is the root's seconds, or a topic's id."""
    if isinstance(thread, float | int):
        thread = key_in(channel, thread).rpartition(":")[2]
    if command is None and channel.platform is Platform.TELEGRAM and text.startswith("/"):
        name, _, arguments = text[1:].partition(" ")
        command = Command(name=name, arguments=arguments)
    return MessagePosted(
        channel=channel,
        occurred_at=at(seconds),
        received_at=at(seconds + 0.5),
        message_key=key_in(channel, seconds),
        author=author,
        text=text,
        thread=thread,
        reply_to=reply_to,
        command=command,
        **more,
    )


def edit(of: MessagePosted, seconds: float, text: str, **more: Any) -> MessageEdited:
    return MessageEdited(
        channel=of.channel,
        occurred_at=at(seconds),
        received_at=at(seconds + 0.5),
        message_key=of.message_key,
        author=of.author,
        text=text,
        thread=of.thread,
        **more,
    )


def delete(of: MessagePosted, seconds: float) -> MessageDeleted:
    return MessageDeleted(
        channel=of.channel,
        occurred_at=at(seconds),
        received_at=at(seconds + 0.5),
        message_key=of.message_key,
        thread=of.thread,
    )


def react(
    of: MessagePosted, seconds: float, person: Author = BOB, name: str = "eyes", *, added: bool = True
) -> ReactionChanged:
    return ReactionChanged(
        channel=of.channel,
        occurred_at=at(seconds),
        received_at=at(seconds + 0.5),
        message_key=of.message_key,
        person=person,
        name=name,
        added=added,
    )


def moved(old: Channel, new: Channel, seconds: float = 0) -> ChannelMoved:
    return ChannelMoved(channel=new, occurred_at=at(seconds), received_at=at(seconds + 0.5), old_channel_key=old.key)


def renamed(channel: Channel, key: str) -> Channel:
    return channel.model_copy(update={"key": ChannelKey(key)})


def policy(version: int = 1, **document: Any) -> ReadyPolicy:
    return ReadyPolicy(version, Policy.model_validate(document))


class Chat:
    """A view that lives in memory: events are decided one after another, as a router with an empty database would."""

    def __init__(self, rules: ReadyPolicy = BUILT_IN, staff: Mapping[PersonKey, StaffMember] = STAFF) -> None:
        self.policy = rules
        self.view = Overlay(staff, Aliases())

    def say(self, event: ChatEvent) -> list[Decision]:
        """The decisions; empty when the event was decided before."""
        decisions = decide_once(event, self.view, self.policy)
        if decisions is None:
            return []
        self.view.apply(event, decisions)
        return decisions

    def place(self, event: MessagePosted) -> PlacePost:
        """The event must be placed, and by its first decision."""
        decision = self.say(event)[0]
        assert isinstance(decision, PlacePost), decision
        return decision

    def ticket_is(self, status: Status, of: PlacePost, ended: float | None = None) -> None:
        """An event of ticketing arrived: the ticket behind the place has this status."""
        known = self.view.places[of.address.key]
        facts = TicketFacts(known.opening_ticket_id, status, None if ended is None else at(ended))
        self.view.places[of.address.key] = KnownPlace(
            known.key, known.conversation_id, known.opening_ticket_id, known.started_at, facts
        )

    def member(self, key: MessageKey) -> PlaceKey | None:
        known = self.view.message(key)
        return None if known is None else known.place
