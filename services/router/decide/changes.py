"""Edits, deletions and reactions of a message: applied to the message, or kept until it comes.

The platform's order counts, not the order of arrival: of two edits the later one's content stays. A post of our own
comes with its receipt, which says what conversation it belongs to: its echo doesn't, and may come first.
"""

from collections.abc import Sequence
from dataclasses import replace

from contracts.chat_events_v1 import MessageDeleted, MessageEdited, ReactionChanged
from contracts.keys import Platform
from contracts.ticket_commands_v1 import Role
from services.router.decide.decisions import ECHO_RULE, Decision, Ignore, KeepEarly, React, Remove, Revise
from services.router.decide.known import Change, EarlyChange, KnownMessage, View, content_of

ECHO = Ignore(ECHO_RULE, "our own post was changed")
OWN_REACTION = Ignore("own_reaction", "our own bot reacted")
UNCHANGED = Ignore("unchanged", "the message has the content of this edit already")
NOT_PLACED = Ignore("not_placed", "the message came and is in no conversation")
NOT_A_TICKETS = Ignore("not_a_tickets", "the message is in a conversation that has no ticket")


def decide_change(event: Change, view: View) -> list[Decision]:
    known = view.message(event.message_key)
    if known is not None:
        return [_apply(event, known, None, view)]
    if isinstance(event, MessageEdited) and (event.author.is_self or event.delivery_id is not None):
        return [ECHO]
    if isinstance(event, ReactionChanged) and event.person.is_self:
        return [OWN_REACTION]
    rule = view.rule_of(event.message_key)  # a post's event id is its message key
    if rule is not None and rule != ECHO_RULE:
        return [NOT_PLACED]
    if rule == ECHO_RULE and not isinstance(event, ReactionChanged):
        return [ECHO]
    return [KeepEarly(f"early_{_kind(event)}", event)]


def catch_up(known: KnownMessage, early: Sequence[EarlyChange], view: View) -> list[Decision]:
    """What the changes that came before their message, or before its receipt, do to it now, in the platform's order."""
    decisions: list[Decision] = []
    for change in early:
        decision = _apply(change.event, known, change, view)
        known = after(known, decision)
        if not isinstance(decision, Ignore):
            decisions.append(decision)
    return decisions


def after(known: KnownMessage, decision: Decision) -> KnownMessage:
    """The message as it is once the decision holds."""
    if isinstance(decision, Revise):
        if known.edited_at is not None and decision.at < known.edited_at:
            return known
        return replace(known, content=decision.content, edited_at=decision.at)
    if isinstance(decision, Remove):
        return replace(known, deleted_at=decision.at)
    return known


def is_deletion(early: EarlyChange) -> bool:
    return isinstance(early.event, MessageDeleted)


def _apply(event: Change, known: KnownMessage, early: EarlyChange | None, view: View) -> Decision:
    if isinstance(event, ReactionChanged):
        return _react(event, known, early, view)
    if known.ours:
        return ECHO
    if known.place is None:
        return NOT_A_TICKETS
    if isinstance(event, MessageDeleted):
        return Remove("delete", known.key, event.occurred_at, early)
    content = content_of(event.text, event.attachments)
    late = known.edited_at is not None and event.order < known.edited_at
    if late:
        rule = "late_edit"  # ticketing files it in the history, the later content stays
    elif content != known.content:
        rule = "edit"
    elif event.order == known.edited_at or event.channel.platform is Platform.TELEGRAM:
        return UNCHANGED  # Telegram adds a link's preview as an edit, and sends a chat's updates in order
    else:
        rule = "same_content"  # its time counts: an older edit may come yet
    return Revise(rule, known.key, event.text, event.attachments, content, event.order, early)


def _react(event: ReactionChanged, known: KnownMessage, early: EarlyChange | None, view: View) -> Decision:
    """Whether the conversation of a post of ours has a ticket is ticketing's to say: its event may not be here yet."""
    if event.person.is_self:
        return OWN_REACTION
    person = event.person
    staff = view.staff(person.key)
    role = Role.DESK if staff else Role.BOT if person.is_bot else Role.CUSTOMER
    agent_id = staff.agent_id if staff else None
    return React("reaction", known.key, person, event.name, event.added, event.occurred_at, early, role, agent_id)


def _kind(event: Change) -> str:
    match event:
        case MessageEdited():
            return "edit"
        case MessageDeleted():
            return "deletion"
        case _:
            return "reaction"
