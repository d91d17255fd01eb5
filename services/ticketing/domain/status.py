"""Which status may follow which. Everything not in the table is refused with the list of what is allowed."""

from collections.abc import Mapping

from contracts.ticket_events_v1 import Status

NEW, OPEN, PENDING, ON_HOLD = Status.NEW, Status.OPEN, Status.PENDING, Status.ON_HOLD
SOLVED, CLOSED, COMMENT_DELETED = Status.SOLVED, Status.CLOSED, Status.COMMENT_DELETED

TRANSITIONS: Mapping[Status, tuple[Status, ...]] = {
    NEW: (OPEN, PENDING, ON_HOLD, SOLVED, CLOSED),
    OPEN: (PENDING, ON_HOLD, SOLVED, CLOSED),
    PENDING: (OPEN, ON_HOLD, SOLVED, CLOSED),
    ON_HOLD: (OPEN, PENDING, SOLVED, CLOSED),
    SOLVED: (OPEN, PENDING, ON_HOLD, CLOSED),
    CLOSED: (OPEN,),
    COMMENT_DELETED: (OPEN, PENDING, ON_HOLD, SOLVED, CLOSED),
}
"""What an agent may set. `new` and `comment_deleted` are only ever set by what happens in the chat."""


class IllegalTransition(Exception):
    """The status can't be set from where the ticket is; `allowed` is what can."""

    def __init__(self, current: Status, wanted: Status) -> None:
        self.current = current
        self.wanted = wanted
        self.allowed = TRANSITIONS[current]
        names = ", ".join(self.allowed)
        super().__init__(f"a ticket that is {current} can't become {wanted}; it can become {names}")


def check_transition(current: Status, wanted: Status) -> None:
    """Setting the status that a ticket already has is fine and changes nothing."""
    if wanted is not current and wanted not in TRANSITIONS[current]:
        raise IllegalTransition(current, wanted)


def after_customer_message(status: Status) -> Status:
    """What an active ticket becomes when its customer writes."""
    return NEW if status is NEW else OPEN


def after_desk_message(status: Status) -> Status:
    """What a ticket becomes when the desk answers. An ended ticket stays ended: a last word doesn't reopen it."""
    return PENDING if status.is_active else status
