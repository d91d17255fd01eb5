"""Any valid event, with any view and policy, is decided without an error, and its decisions keep their promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.chat import Attachment, Author, Channel, ChannelType, Command
from contracts.chat_events_v1 import (
    ButtonPressed,
    ChannelMoved,
    ChatEvent,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionChanged,
)
from contracts.codec import encode
from contracts.desk_policy_v1 import AutomaticAnswer, Match, OpenOn, Override, Policy, Rules
from contracts.keys import Platform
from contracts.ticket_commands_v1 import Role
from contracts.ticket_events_v1 import Status
from services.router.commands import Origin, outgoing
from services.router.decide import decide, decide_once
from services.router.decide.decisions import Answer, PlacePost, Speak
from services.router.decide.known import (
    EarlyChange,
    KnownMessage,
    KnownPlace,
    Speaker,
    StaffMember,
    TicketFacts,
    UnnamedPost,
)
from services.router.policy import ReadyPolicy
from services.router.records import record_of
from services.router.view.aliases import Aliases
from services.router.view.overlay import Overlay

# Any string may stand where a key is expected: the contract's types don't refuse it. Few of them, so that they meet.
texts = st.text(max_size=12)
keys = st.one_of(
    st.sampled_from(
        ["slack:C1", "slack:C1:1.000100", "slack:C1/1.000100", "telegram:7:-1", "telegram:7:-1:5", "slack:U1"]
    ),
    st.text(max_size=8),
)
times = st.one_of(
    st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 2, tzinfo=UTC)]),
    st.datetimes(timezones=st.just(UTC)),
)
authors = st.builds(
    Author,
    key=keys,
    name=st.none() | texts,
    is_bot=st.booleans(),
    is_self=st.booleans(),
    bot_id=st.none() | st.sampled_from(["B1", "B2"]),
    locale=st.none(),
)
channels = st.builds(
    Channel,
    key=keys,
    platform=st.sampled_from(Platform),
    workspace=texts,
    type=st.sampled_from(ChannelType),
    name=st.none() | texts,
)
attachments = st.lists(st.builds(Attachment, id=texts), max_size=2).map(tuple)
words = st.sampled_from(["/close", "/start", "help", "price", "help price", "", " ", "\0"]) | texts
base = {"channel": channels, "occurred_at": times, "received_at": times, "backfilled": st.booleans()}
posts = st.builds(
    MessagePosted,
    message_key=keys,
    author=authors,
    text=words,
    thread=st.none() | st.sampled_from(["1.000100", "5", "general"]) | texts,
    reply_to=st.none() | keys,
    command=st.none() | st.builds(Command, name=st.sampled_from(["close", "start", "faq", ""]), arguments=texts),
    mentions=st.just(()),
    mentions_us=st.booleans(),
    attachments=attachments,
    album=st.none() | texts,
    delivery_id=st.none() | texts,
    our_post_at=st.none() | times,
    **base,
)
edits = st.builds(
    MessageEdited,
    message_key=keys,
    author=authors,
    text=words,
    thread=st.none() | texts,
    attachments=attachments,
    delivery_id=st.none() | texts,
    **base,
)
deletions = st.builds(MessageDeleted, message_key=keys, thread=st.none() | texts, **base)
reactions = st.builds(ReactionChanged, message_key=keys, person=authors, name=texts, added=st.booleans(), **base)
moves = st.builds(ChannelMoved, old_channel_key=keys, **base)
buttons = st.builds(
    ButtonPressed, person=authors, query_id=texts, data=texts, message_key=st.none() | keys, thread=st.none(), **base
)
events: st.SearchStrategy[ChatEvent] = st.one_of(posts, posts, posts, edits, deletions, reactions, moves, buttons)

messages = st.builds(
    KnownMessage,
    key=keys,
    conversation_id=texts,
    place=st.none() | keys,
    role=st.sampled_from(Role),
    ours=st.booleans(),
    content=texts,
    sent_at=times,
    edited_at=st.none() | times,
    deleted_at=st.none() | times,
    album=st.none() | texts,
)
facts = st.builds(TicketFacts, ticket_id=texts, status=st.sampled_from(Status), ended_at=st.none() | times)
places = st.builds(
    KnownPlace, key=keys, conversation_id=texts, opening_ticket_id=texts, started_at=times, ticket=st.none() | facts
)
speakers = st.builds(Speaker, person=keys, at=times, place=st.none() | keys)
unnamed_posts = st.builds(
    UnnamedPost, conversation_id=texts, place=st.none() | keys, begun_at=times, ended_at=st.none() | times
)
durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000))
overrides = st.builds(
    Override,
    match=st.builds(Match, name=st.sampled_from(["*", "course-*", "[", "?"])),
    open_on=st.none() | st.sampled_from(OpenOn),
    keywords=st.none(),
    continue_within=st.none() | durations,
    reopen_within=st.none() | durations,
    queue=st.none(),
    priority=st.none(),
    tags=st.none(),
    bots=st.none(),
)
policies = st.builds(
    lambda defaults, laid, opens: ReadyPolicy(
        3,
        Policy(
            defaults=defaults,
            overrides=tuple(laid),
            answers=(
                AutomaticAnswer(name="faq", text="Read", words=("price",), commands=("faq",), opens_ticket=opens),
            ),
        ),
    ),
    st.builds(
        Rules,
        open_on=st.sampled_from(OpenOn),
        keywords=st.just(("help",)),
        continue_within=durations,
        reopen_within=durations,
        bots=st.sampled_from([(), ("B1",), ("slack:U1",)]),
    ),
    st.lists(overrides, max_size=2),
    st.booleans(),
)


@dataclass(frozen=True)
class AnyView:
    """Says the same whatever is asked: nothing about it needs to make sense."""

    rule: str | None
    known_message: KnownMessage | None
    known_album: KnownMessage | None
    known_place: KnownPlace | None
    live: Speaker | None
    read: Speaker | None
    kept: list[EarlyChange]
    posts: list[UnnamedPost]
    member: StaffMember | None

    def rule_of(self, event_id: str) -> str | None:
        return self.rule

    def message(self, key: str) -> KnownMessage | None:
        return self.known_message

    def album(self, channel_key: str, album: str) -> KnownMessage | None:
        return self.known_album

    def place(self, key: str) -> KnownPlace | None:
        return self.known_place

    def speaker(self, channel_key: str, *, backfilled: bool) -> Speaker | None:
        return self.read if backfilled else self.live

    def early(self, key: str) -> Sequence[EarlyChange]:
        return self.kept

    def reunited(self, old: str, new: str) -> Sequence[tuple[KnownMessage, Sequence[EarlyChange]]]:
        return [] if self.known_message is None else [(self.known_message, self.kept)]

    def unnamed(self, channel_key: str) -> Sequence[UnnamedPost]:
        return self.posts

    def staff(self, person: str) -> StaffMember | None:
        return self.member

    def channel_name(self, channel_key: str) -> str | None:
        return "course-go"


views = st.builds(
    AnyView,
    rule=st.none() | texts,
    known_message=st.none() | messages,
    known_album=st.none() | messages,
    known_place=st.none() | places,
    live=st.none() | speakers,
    read=st.none() | speakers,
    kept=st.lists(st.builds(EarlyChange, event=st.one_of(edits, deletions, reactions)), max_size=3),
    posts=st.lists(unnamed_posts, max_size=2),
    member=st.none() | st.just(StaffMember("agt_1", "Ann")),
)
ORIGIN = Origin(3, 17, 3, None)


@given(event=events, view=views, policy=policies)
@settings(max_examples=500, deadline=None)
def test_any_event_is_decided_whatever_the_view_says(event: ChatEvent, view: AnyView, policy: ReadyPolicy) -> None:
    decisions = decide(event, view, policy)
    assert decisions
    assert not isinstance(decisions[0], Speak)
    assert decide(event, view, policy) == decisions
    placed = [one for one in decisions if isinstance(one, PlacePost)]
    assert len(placed) <= 1
    for place in placed:
        assert not (place.context and place.open)
        assert not (place.role is Role.DESK and place.open)
        assert not (place.starts and place.open is None)
    if event.backfilled:
        assert not any(isinstance(one, Answer) for one in decisions)
    record_of(event, decisions, ORIGIN)
    published = [one.model for one in outgoing(event, decisions, ORIGIN)]
    for model in published:
        encode(model, source="test", time=event.occurred_at)
    early = {change.event.record_id for change in view.kept}
    if len(early) == len(view.kept) and event.record_id not in early:
        assert len({(model.TYPE, model.record_id) for model in published}) == len(published)


@given(story=st.lists(events, max_size=12), policy=policies)
@settings(max_examples=200, deadline=None)
def test_any_story_is_decided_and_its_messages_are_placed_once(story: list[ChatEvent], policy: ReadyPolicy) -> None:
    view = Overlay({}, Aliases())
    placed: set[str] = set()
    for event in story:
        decisions = decide_once(event, view, policy)
        if decisions is None:
            continue
        view.apply(event, decisions)
        for one in decisions:
            if isinstance(one, PlacePost):
                assert isinstance(event, MessagePosted)
                assert event.message_key not in placed
                placed.add(event.message_key)
