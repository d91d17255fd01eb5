"""The table of transitions, exhaustively."""

import pytest

from contracts.ticket_events_v1 import Status
from services.ticketing.domain.status import (
    TRANSITIONS,
    IllegalTransition,
    after_customer_message,
    after_desk_message,
    check_transition,
)

ALLOWED = {
    "new": {"open", "pending", "on_hold", "solved", "closed"},
    "open": {"pending", "on_hold", "solved", "closed"},
    "pending": {"open", "on_hold", "solved", "closed"},
    "on_hold": {"open", "pending", "solved", "closed"},
    "solved": {"open", "pending", "on_hold", "closed"},
    "closed": {"open"},
    "comment_deleted": {"open", "pending", "on_hold", "solved", "closed"},
}


@pytest.mark.parametrize("current", list(Status))
@pytest.mark.parametrize("wanted", list(Status))
def test_a_transition_is_allowed_or_refused_with_the_allowed_ones(current: Status, wanted: Status) -> None:
    if wanted is current or wanted.value in ALLOWED[current.value]:
        check_transition(current, wanted)
        return
    with pytest.raises(IllegalTransition) as refused:
        check_transition(current, wanted)
    assert {one.value for one in refused.value.allowed} == ALLOWED[current.value]
    assert all(one in str(refused.value) for one in ALLOWED[current.value])


def test_every_status_has_a_way_out_and_agents_never_set_what_the_chat_sets() -> None:
    assert set(TRANSITIONS) == set(Status)
    assert all(TRANSITIONS.values())
    settable = {status for targets in TRANSITIONS.values() for status in targets}
    assert settable == set(Status) - {Status.NEW, Status.COMMENT_DELETED}


@pytest.mark.parametrize("status", [status for status in Status if status.is_active])
def test_a_customers_message_opens_what_is_not_new(status: Status) -> None:
    assert after_customer_message(status) is (Status.NEW if status is Status.NEW else Status.OPEN)


@pytest.mark.parametrize("status", list(Status))
def test_an_answer_waits_for_the_customer_unless_the_ticket_ended(status: Status) -> None:
    assert after_desk_message(status) is (Status.PENDING if status.is_active else status)
