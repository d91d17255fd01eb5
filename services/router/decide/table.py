"""The decision table: every chat event leads to at least one decision, and none raises."""

from contracts.chat_events_v1 import (
    ButtonPressed,
    ChannelMoved,
    ChatEvent,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionChanged,
)
from services.router.decide.changes import catch_up, decide_change
from services.router.decide.decisions import AliasChannel, Decision, Ignore, PlacePost
from services.router.decide.known import View
from services.router.decide.posts import decide_post
from services.router.policy import ReadyPolicy

BUTTON = Ignore("button", "buttons decide nothing yet")
SAME_CHANNEL = Ignore("same_channel", "the channel kept its key")
UNKNOWN = Ignore("unknown_event", "an event of a kind that the router doesn't know")


def decide(event: ChatEvent, view: View, policy: ReadyPolicy) -> list[Decision]:
    """What the event means. The first decision names the rule; acting on the decisions in order is the caller's."""
    if isinstance(event, MessagePosted):
        return decide_post(event, view, policy)
    if isinstance(event, (MessageEdited, MessageDeleted, ReactionChanged)):
        return decide_change(event, view)
    if isinstance(event, ChannelMoved):
        if event.old_channel_key == event.channel.key:
            return [SAME_CHANNEL]
        old, new = event.old_channel_key, event.channel
        met = view.reunited(old, new.key)
        late = [decision for known, early in met for decision in catch_up(known, early, view)]
        return [AliasChannel("channel_moved", old, new), *late]
    return [BUTTON] if isinstance(event, ButtonPressed) else [UNKNOWN]


def decide_once(event: ChatEvent, view: View, policy: ReadyPolicy) -> list[Decision] | None:
    """None when the event was decided before: another arrival of it changes nothing.

    One exception: a post that is in no conversation, as it was ignored or answered without a ticket when it came, may
    come again from a thread's history. One has begun there since, and the post is decided anew, as its context.
    """
    if view.rule_of(event.record_id) is None:
        return decide(event, view, policy)
    if not (isinstance(event, MessagePosted) and event.backfilled) or view.message(event.message_key) is not None:
        return None
    decisions = decide(event, view, policy)
    return decisions if isinstance(decisions[0], PlacePost) and decisions[0].context else None
