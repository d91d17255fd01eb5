"""The fate of replies: receipts move a delivery forward by their version, and only legal instructions are given."""

from dataclasses import replace
from datetime import datetime

from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryState, Operation
from contracts.ticket_commands_v1 import RecordAutomaticAnswer
from contracts.ticket_events_v1 import Actor, ActorKind, Cause, Change, ChangeKind
from services.ticketing.domain.book import Book
from services.ticketing.domain.change import advance, change_of
from services.ticketing.domain.early import catch_up
from services.ticketing.domain.ticket import AuthorKind, Delivery, Message, MessageKind, printable

NOTIFIER = Actor(kind=ActorKind.SYSTEM, id="notifier")


def post_instruction(reply_id: str) -> str:
    """The id of the instruction by which a reply is first handed to the notifier."""
    return f"{reply_id}:post"


def apply_receipt(
    book: Book, receipt: DeliveryChanged, at: datetime, traceparent: str | None
) -> tuple[str, str | None]:
    """`applied`, `outdated`, or `early` when the answer it is about isn't recorded yet."""
    message = book.messages.get(receipt.delivery_id)
    if message is None or message.delivery is None:
        kept = book.early_receipts.get(receipt.delivery_id)
        if kept is not None and kept.version >= receipt.version:
            return "outdated", None
        book.early_receipts[receipt.delivery_id] = book.kept_receipts[receipt.delivery_id] = receipt
        return "early", None
    if receipt.version <= message.delivery.version:
        return "outdated", message.ticket_id
    delivered = replace(message, delivery=after_receipt(message.delivery, receipt))
    ticket = book.tickets[message.ticket_id]
    cause = Cause(kind="receipt", id=receipt.record_id, actor=NOTIFIER)
    what = "delivery" if receipt.operation is Operation.POST else f"delivery.{receipt.operation.value}"
    old = message.delivery.state if receipt.operation is Operation.POST else None
    more = {what: Change(old=old, new=receipt.state.value)}
    after = advance(ticket, at, {})
    book.record(
        change_of(
            ticket.state,
            after,
            ChangeKind.DELIVERY_CHANGED,
            at,
            cause,
            message=delivered,
            traceparent=traceparent,
            more=more,
        )
    )
    catch_up(book, at)
    return "applied", ticket.id


def after_receipt(delivery: Delivery, receipt: DeliveryChanged) -> Delivery:
    """Message keys, once known, stay. The error is that of the operation heard of last."""
    of_post = receipt.operation is Operation.POST
    return Delivery(
        state=receipt.state.value if of_post else delivery.state,
        operation=receipt.operation.value,
        operation_state=receipt.state.value,
        attempts=receipt.attempts,
        error_code=None if receipt.error is None else receipt.error.code,
        error=None if receipt.error is None else printable(receipt.error.text),
        version=receipt.version,
        message_keys=receipt.message_keys or delivery.message_keys,
    )


def record_automatic_answer(
    book: Book, command: RecordAutomaticAnswer, at: datetime, traceparent: str | None
) -> tuple[str, str | None]:
    """`answered`, `duplicate`, or `no_ticket` when the place has no active one. Leaves the status alone."""
    if command.reply_id in book.messages:
        return "duplicate", book.messages[command.reply_id].ticket_id
    place = book.current_place(command.place)
    ticket = book.ticket_in(place.key)
    if ticket is None or not ticket.is_active:
        return "no_ticket", None
    conversation = ticket.conversation_in(place.key)
    delivery = Delivery()
    early = book.early_receipts.pop(command.reply_id, None)
    if early is not None:
        delivery = after_receipt(delivery, early)
        book.kept_receipts.pop(command.reply_id, None)
        book.used_receipts.add(command.reply_id)
    message = Message(
        id=command.reply_id,
        ticket_id=ticket.id,
        kind=MessageKind.AUTOMATIC,
        author_kind=AuthorKind.BOT,
        author_name="Automatic answer",
        text=printable(command.text),
        sent_at=command.at,
        # Answers are written after what they answer, also where both carry the same time.
        ordinal=AFTER_CHAT,
        conversation_id=None if conversation is None else conversation.id,
        delivery=delivery,
        traceparent=traceparent,
    )
    cause = Cause(kind="command", id=command.command_id, actor=Actor(kind=ActorKind.BOT, id="router"))
    after = advance(ticket, at, {})
    book.record(
        change_of(ticket.state, after, ChangeKind.REPLY_ADDED, at, cause, message=message, traceparent=traceparent)
    )
    return "answered", ticket.id


AFTER_CHAT = 2**62
"""The ordinal of what we write ourselves: after every platform's message of the same time."""

QUEUED, SENDING, SENT = DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.SENT
UNKNOWN, FAILED, CANCELLED = DeliveryState.UNKNOWN, DeliveryState.FAILED, DeliveryState.CANCELLED

LEGAL: dict[str, tuple[DeliveryState, ...]] = {
    "edit": (QUEUED, SENDING, SENT, UNKNOWN, FAILED),
    "delete": (QUEUED, SENDING, SENT, UNKNOWN, FAILED),
    "resend": (UNKNOWN, FAILED),
    "confirm": (UNKNOWN,),
    "cancel": (QUEUED, SENDING, UNKNOWN, FAILED),
}
"""In which states of its delivery an agent may ask what of a reply. Besides, what a cancelled one left in the chat may
be deleted.
"""


class IllegalInstruction(Exception):
    """The reply's delivery isn't in a state that allows it."""


def check_instruction(message: Message, operation: str) -> None:
    """Raises IllegalInstruction saying what is possible instead."""
    if message.deleted_at is not None:
        raise IllegalInstruction("the reply was deleted")
    delivery = message.delivery
    if message.kind is not MessageKind.REPLY or delivery is None:
        raise IllegalInstruction("only a reply that an agent wrote can be changed")
    cut_off = delivery.state == CANCELLED and bool(delivery.message_keys)  # a part is in the chat
    if delivery.state in LEGAL[operation] or (cut_off and operation == "delete"):
        return
    possible = ["delete"] if cut_off else [name for name, states in LEGAL.items() if delivery.state in states]
    raise IllegalInstruction(
        f"the reply's delivery is {delivery.state}; {operation} needs {' or '.join(LEGAL[operation])}"
        + (f"; possible now: {', '.join(possible)}" if possible else "")
    )
