"""Posts: what a new message means, by its author's side and the place it belongs to.

Invariants: a message is placed at most once; context (read in from before the conversation) opens, closes and answers
nothing; a backfilled message never causes an automatic answer; nothing that we posted comes back into a ticket.
"""

from contracts import ids
from contracts.chat import ChannelType
from contracts.chat_events_v1 import MessagePosted
from contracts.desk_policy_v1 import AutomaticAnswer, OpenOn, Rules
from contracts.keys import PlaceKey, Platform
from contracts.ticket_commands_v1 import Role
from contracts.ticket_events_v1 import Status
from services.router.decide import changes, where
from services.router.decide.decisions import (
    ECHO_RULE,
    Answer,
    Close,
    Decision,
    Ignore,
    Opening,
    PlacePost,
    RequestHistory,
    Speak,
)
from services.router.decide.known import KnownMessage, KnownPlace, View, content_of
from services.router.decide.where import Via, Where
from services.router.decide.who import Side, is_echo, side_of
from services.router.policy import ChannelRules, ReadyPolicy

ECHO = Ignore(ECHO_RULE, "our own post came back")
PLACED_BEFORE = Ignore("placed_before", "the message is in a conversation already")
BROADCAST = Ignore("broadcast", "a broadcast channel speaks to everybody, it asks nobody")
OTHER_BOT = Ignore("other_bot", "a bot that the policy doesn't list")
DESK_TOP_LEVEL = Ignore("desk_top_level", "the desk speaks to the channel, not in a conversation")
DESK_WITHOUT_TICKET = Ignore("desk_without_ticket", "the desk speaks where no ticket ever was")
CLOSE_WITHOUT_TICKET = Ignore("close_without_ticket", "/close where no ticket ever was")
CLOSE_IN_HISTORY = Ignore("close_in_history", "/close from before the conversation")
ANSWER_IN_HISTORY = Ignore("answer_in_history", "history gets no automatic answer, and this opens no ticket")
START = Ignore("start", "a bare /start says nothing, and the policy has no answer to it")
NOT_OPENED = {
    OpenOn.MENTION: Ignore("open_on_mention", "tickets are opened by mentioning us here, and this doesn't"),
    OpenOn.KEYWORD: Ignore("open_on_keyword", "tickets are opened by keywords here, and this has none"),
    OpenOn.REACTION: Ignore("open_on_reaction", "tickets are opened by a reaction here"),
    OpenOn.NEVER: Ignore("open_on_never", "no tickets are opened here"),
}

_VIA_RULES = {
    Via.DIALOG: "append_dialog",
    Via.TOPIC: "append_topic",
    Via.THREAD: "append_thread",
    Via.REPLY: "append_reply",
    Via.REPLY_TO_UNNAMED: "append_reply_to_unnamed",
    Via.ALBUM: "append_album",
    Via.OWN_THREAD: "append_root",
    Via.BURST: "continue",
}


def decide_post(event: MessagePosted, view: View, policy: ReadyPolicy) -> list[Decision]:
    channel = event.channel
    if is_echo(event, view):
        return [ECHO]
    if view.message(event.message_key) is not None:
        return [PLACED_BEFORE]
    if channel.type is ChannelType.BROADCAST:
        return [BROADCAST]
    rules = policy.channel(channel, view.channel_name(channel.key))
    side = side_of(event, view, rules)
    at = where.find(event, view, rules.rules.continue_within)
    known = at.known
    if known is not None and is_context(event, known, side):
        return _context(event, view, side, known)
    if not side.speaks:
        return [OTHER_BOT]
    if is_close(event) and side.role is not Role.BOT:
        return _close(event, side, at)
    if side.role is Role.DESK:
        return _from_desk(event, view, side, at)
    return _from_customer(event, view, rules, side, at)


def is_close(event: MessagePosted) -> bool:
    """The text or command `/close` and nothing else."""
    command = event.command
    return (command is not None and command.name == "close" and not command.arguments) or event.text.strip() == "/close"


def is_context(event: MessagePosted, known: KnownPlace, side: Side) -> bool:
    """Said before the conversation began: read from history, or by someone who doesn't ask."""
    return event.occurred_at < known.started_at and (event.backfilled or side.role is not Role.CUSTOMER)


def _context(event: MessagePosted, view: View, side: Side, known: KnownPlace) -> list[Decision]:
    if is_close(event):
        return [CLOSE_IN_HISTORY]
    return _with_early(event, view, _append("context", event, side, known, open_=None, context=True))


def _close(event: MessagePosted, side: Side, at: Where) -> list[Decision]:
    if at.known is None or (at.via is Via.BURST and side.role is Role.DESK):
        return [CLOSE_WITHOUT_TICKET]
    close = Close(f"close_by_{side.role.value}", side.role, at.known.key, at.known.ticket_id, at.known.ticket)
    return [close, *_speak(event, at, None)]  # what follows a /close continues nothing


def _from_desk(event: MessagePosted, view: View, side: Side, at: Where) -> list[Decision]:
    if at.known is None or at.via is Via.BURST:
        top_level = at.via in (Via.TOP_LEVEL, Via.BURST)
        return [DESK_TOP_LEVEL if top_level else DESK_WITHOUT_TICKET, *_speak(event, at, None)]
    place = _append("desk_reply", event, side, at.known, open_=None)
    return [*_with_early(event, view, place), *_speak(event, at, at.known.key)]


def _from_customer(event: MessagePosted, view: View, rules: ChannelRules, side: Side, at: Where) -> list[Decision]:
    answer = _answer(event, view, rules, side)
    if answer is None and event.command is not None and event.command.name == "start" and not event.command.arguments:
        return [START]
    if at.known is not None:
        place = _into(event, rules.rules, side, at, at.known, opens=answer is None or answer.opens_ticket)
    elif answer is not None and not answer.opens_ticket:
        return [
            ANSWER_IN_HISTORY if event.backfilled else _to_answer(event, answer, at, None),
            *_speak(event, at, None),
        ]
    elif rules.opens(event.text, mentions_us=event.mentions_us, dialog=event.channel.type.is_dialog):
        place = _open(event, rules.rules, side, at)
    else:
        refused: list[Decision] = [] if answer is None or event.backfilled else [_to_answer(event, answer, at, None)]
        return [*refused, NOT_OPENED[rules.rules.open_on], *_speak(event, at, None)]
    decisions = _with_early(event, view, place)
    if place.starts and at.via is Via.THREAD and at.known is None and event.channel.platform is Platform.SLACK:
        decisions.append(RequestHistory("read_thread", event.thread or "", event.occurred_at))
    if answer is not None and not event.backfilled:
        decisions.append(_to_answer(event, answer, at, place))
    decisions += _speak(event, at, place.address.key)
    return decisions


def _into(event: MessagePosted, rules: Rules, side: Side, at: Where, known: KnownPlace, *, opens: bool) -> PlacePost:
    """The place has or had a ticket: append, reopen or follow up. Ticketing has the last word."""
    ticket = known.ticket
    opens = opens and rules.open_on is not OpenOn.NEVER
    opening = _opening(event, known.key, rules) if opens else None
    if ticket is None or not ticket.ended:
        deleted = ticket is not None and ticket.status is Status.COMMENT_DELETED
        rule = "append_to_deleted" if deleted else _VIA_RULES[at.via]
    elif opening is None:
        rule = "append_to_ended"
    elif ticket.ended_within(rules.reopen_within, event.occurred_at):
        rule = "reopen"
    else:
        return _starting("follow_up", event, side, at, opening, known)
    return _append(rule, event, side, known, open_=opening, alias=at.alias)


def _append(
    rule: str,
    event: MessagePosted,
    side: Side,
    known: KnownPlace,
    *,
    open_: Opening | None,
    context: bool = False,
    alias: PlaceKey | None = None,
) -> PlacePost:
    return PlacePost(
        rule,
        side.role,
        side.staff.agent_id if side.staff else None,
        where.address(known.key, event.channel),
        known.conversation_id,
        known.ticket_id,
        content_of(event.text, event.attachments),
        open=open_,
        context=context,
        alias=alias,
        seen=known.ticket,
    )


def _open(event: MessagePosted, rules: Rules, side: Side, at: Where) -> PlacePost:
    rule = {Via.TOP_LEVEL: "open", Via.THREAD: "open_in_thread", Via.DIALOG: "open_dialog", Via.TOPIC: "open_topic"}
    return _starting(rule.get(at.via, "open"), event, side, at, _opening(event, at.key, rules), None)


def _starting(
    rule: str, event: MessagePosted, side: Side, at: Where, opening: Opening, known: KnownPlace | None
) -> PlacePost:
    return PlacePost(
        rule,
        side.role,
        None,
        where.address(at.key, event.channel),
        opening.conversation_id,
        opening.ticket_id,
        content_of(event.text, event.attachments),
        open=opening,
        starts=True,
        alias=at.alias,
        seen=None if known is None else known.ticket,
    )


def _opening(event: MessagePosted, key: PlaceKey, rules: Rules) -> Opening:
    return Opening(
        ids.ticket(key, event.message_key),
        ids.conversation(key, event.message_key),
        rules.reopen_within,
        rules.queue,
        rules.priority.value,
        rules.tags,
    )


def _with_early(event: MessagePosted, view: View, place: PlacePost) -> list[Decision]:
    """The message, and after it the changes that came before it."""
    decisions: list[Decision] = [place]
    early = view.early(event.message_key)
    if early:
        known = KnownMessage(
            event.message_key,
            place.conversation_id,
            place.address.key,
            place.role,
            False,
            place.content,
            event.occurred_at,
        )
        decisions += changes.catch_up(known, early, view)
    return decisions


def _answer(event: MessagePosted, view: View, rules: ChannelRules, side: Side) -> AutomaticAnswer | None:
    """The rule that a customer's words meet; bots get no answers, nor do messages that were deleted before they came.

    History gets none either, but what opens no ticket opens none there.
    """
    if side.role is not Role.CUSTOMER or not rules.answers:
        return None
    answer = rules.answer(event.text, event.command)
    if answer is not None and any(changes.is_deletion(early) for early in view.early(event.message_key)):
        return None
    return answer


def _to_answer(event: MessagePosted, answer: AutomaticAnswer, at: Where, place: PlacePost | None) -> Answer:
    """Where no ticket is opened the answer still goes to the message's own place."""
    conversation = place.conversation_id if place else ids.conversation(at.key, event.message_key)
    return Answer(
        f"answer_{answer.name}",
        answer.name,
        answer.text,
        where.address(at.key, event.channel),
        conversation,
        place.ticket_id if place else None,
    )


def _speak(event: MessagePosted, at: Where, place: PlaceKey | None) -> list[Decision]:
    return [Speak(event.channel.key, event.backfilled, event.author.key, event.occurred_at, place)] if at.aloud else []
