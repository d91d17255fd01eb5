"""Every change of an operation's state is a row of one table; whatever isn't in it can't happen.

`sending` means that a request may have gone out and its fate isn't known here. Only three things lead out of it:
the platform's answer, what a read-back found, or the end of the lease where reading back is impossible.
"""

from __future__ import annotations

from enum import StrEnum

from contracts.chat_receipts_v1 import DeliveryState

ACTIVE = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING})
"""States that hold their place in the conversation's line."""


class Event(StrEnum):
    """What happens to an operation."""

    LEASED = "leased"  # a worker took it for one call
    PART_DONE = "part_done"  # one message of several is done
    COMPLETED = "completed"  # nothing is left to do
    POSTPONED = "postponed"  # it surely didn't happen and is tried again later
    DOUBTED = "doubted"  # it may have happened
    ABSENT = "absent"  # read back: it hadn't happened
    LOST = "lost"  # nobody can find out whether it happened
    REFUSED = "refused"  # the platform says never
    WITHDRAWN = "withdrawn"  # a worker found it cancelled or deleted before posting
    RESEND = "resend"  # a person: try again
    CONFIRM = "confirm"  # a person: it arrived
    CANCEL = "cancel"  # a person: don't


_S = DeliveryState
TRANSITIONS: dict[tuple[DeliveryState, Event], DeliveryState] = {
    (_S.QUEUED, Event.LEASED): _S.SENDING,
    (_S.QUEUED, Event.CANCEL): _S.CANCELLED,
    (_S.SENDING, Event.LEASED): _S.SENDING,
    (_S.SENDING, Event.PART_DONE): _S.SENDING,
    (_S.SENDING, Event.COMPLETED): _S.SENT,
    (_S.SENDING, Event.POSTPONED): _S.QUEUED,
    (_S.SENDING, Event.DOUBTED): _S.SENDING,
    (_S.SENDING, Event.ABSENT): _S.QUEUED,
    (_S.SENDING, Event.LOST): _S.UNKNOWN,
    (_S.SENDING, Event.REFUSED): _S.FAILED,
    (_S.SENDING, Event.WITHDRAWN): _S.CANCELLED,
    (_S.UNKNOWN, Event.RESEND): _S.QUEUED,
    (_S.UNKNOWN, Event.CONFIRM): _S.SENT,
    (_S.UNKNOWN, Event.CANCEL): _S.CANCELLED,
    (_S.FAILED, Event.RESEND): _S.QUEUED,
    (_S.FAILED, Event.CANCEL): _S.CANCELLED,
}


class IllegalTransition(Exception):
    """The ledger was asked for a change that its table doesn't have."""

    def __init__(self, state: DeliveryState, event: Event) -> None:
        super().__init__(f"{event} can't happen to an operation that is {state}")


def allowed(state: DeliveryState, event: Event) -> bool:
    return (state, event) in TRANSITIONS


def after(state: DeliveryState, event: Event) -> DeliveryState:
    """The state after the event. Raises IllegalTransition."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(state, event) from None
