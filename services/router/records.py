"""What the decision record keeps of a decision: what the view showed and what came of it. Never message text."""

from collections.abc import Sequence

from contracts.chat_events_v1 import ChatEvent
from services.router.commands import Origin
from services.router.decide.decisions import (
    AliasChannel,
    Answer,
    Close,
    Decision,
    Ignore,
    PlacePost,
    React,
    Remove,
    RequestHistory,
    Revise,
)
from services.router.decide.known import TicketFacts
from services.router.view.overlay import rule_of
from services.router.view.store import DecisionRecord

Facts = dict[str, str | int | bool]


def record_of(event: ChatEvent, decisions: Sequence[Decision], origin: Origin) -> DecisionRecord:
    facts: Facts = {}
    for decision in decisions:
        _note(facts, decision)
    return DecisionRecord(
        event.record_id, rule_of(decisions), facts, origin.policy_version, origin.partition, origin.offset
    )


def _note(facts: Facts, decision: Decision) -> None:
    match decision:
        case PlacePost():
            facts |= {
                "role": decision.role,
                "place": decision.address.key,
                "conversation": decision.conversation_id,
                "ticket": decision.ticket_id,
            }
            if decision.context:
                facts["context"] = True
            _note_ticket(facts, decision.seen)
        case Close():
            facts |= {"role": decision.role, "place": decision.place, "ticket": decision.ticket_id}
            _note_ticket(facts, decision.seen)
        case Ignore():
            facts["reason"] = decision.reason
        case Revise() | Remove() | React():
            if decision.early is not None:
                facts["early_changes"] = int(facts.get("early_changes", 0)) + 1
        case Answer():
            facts["answer"] = decision.name
        case RequestHistory():
            facts["history_of"] = decision.thread
        case AliasChannel():
            facts |= {"old_channel": decision.old, "channel": decision.channel.key}
        case _:
            pass


def _note_ticket(facts: Facts, seen: TicketFacts | None) -> None:
    """The ticket's state at that moment; without it the router had seen no event of it and took it for open."""
    if seen is not None:
        facts["seen_status"] = seen.status
        if seen.ended_at is not None:
            facts["seen_ended_at"] = seen.ended_at.isoformat()
