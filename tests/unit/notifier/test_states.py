"""The ledger's transition table."""

from __future__ import annotations

import itertools

import pytest

from contracts.chat_receipts_v1 import DeliveryState
from services.notifier.ledger.states import ACTIVE, TRANSITIONS, Event, IllegalTransition, after, allowed

S = DeliveryState
PEOPLES = {Event.RESEND, Event.CONFIRM, Event.CANCEL}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(S, Event)))
def test_only_what_the_table_has_can_happen(state: DeliveryState, event: Event) -> None:
    if allowed(state, event):
        assert after(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition, match=str(state)):
            after(state, event)


def test_sent_and_cancelled_are_final() -> None:
    assert {state for state, _ in TRANSITIONS}.isdisjoint({S.SENT, S.CANCELLED})


def test_only_people_bring_unknown_and_failed_back() -> None:
    for state in (S.UNKNOWN, S.FAILED):
        assert {event for known, event in TRANSITIONS if known is state} <= PEOPLES


def test_what_may_have_happened_is_never_simply_tried_again() -> None:
    """From sending to queued only by an answer or a read-back; a doubt stays sending."""
    back = {event for (state, event), into in TRANSITIONS.items() if state is S.SENDING and into is S.QUEUED}
    assert back == {Event.POSTPONED, Event.ABSENT}
    assert after(S.SENDING, Event.DOUBTED) is S.SENDING


def test_a_person_can_not_stop_what_is_under_way() -> None:
    assert not any(allowed(S.SENDING, event) for event in PEOPLES)


def test_every_state_is_reached_from_queued() -> None:
    reached = {S.QUEUED}
    for _ in S:
        reached |= {into for (state, _event), into in TRANSITIONS.items() if state in reached}
    assert reached == set(S)
    assert {S.QUEUED, S.SENDING} == ACTIVE
