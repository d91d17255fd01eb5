"""What each instruction does to a delivery. Pure: a locked entry in, the changed entry out.

- The text of a delivery is what the chat should show. An edit changes it at once; a post that hasn't begun then simply
  posts the new text, and one that has is followed by an edit operation in the conversation's line.
- A deletion withdraws what hasn't begun, and is followed by a deletion operation where something may stand in the chat.
- An instruction that comes too late to matter changes nothing and is no error.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import TypeAdapter

from contracts.chat import Person
from contracts.chat_receipts_v1 import DeliveryError, DeliveryState, Operation
from contracts.chat_replies_v1 import (
    CancelReply,
    ConfirmReply,
    DeleteReply,
    EditReply,
    PostReply,
    ReplyInstruction,
    ResendReply,
)
from services.notifier.ledger.entry import Entry, OperationEntry, Part
from services.notifier.ledger.states import Event, allowed

PEOPLE = TypeAdapter(tuple[Person, ...])
UNSEEN = DeliveryError(
    code="message_unknown",
    text="It isn't known which message in the chat this is. Change it in the chat itself, if it is there.",
)


def opened(instruction: PostReply, partition: int, traceparent: str | None, at: datetime) -> Entry:
    """The entry of a new delivery, queued."""
    channel = instruction.place.channel
    entry = Entry(
        delivery_id=instruction.delivery_id,
        channel_key=instruction.channel_key,
        partition=partition,
        conversation_id=instruction.conversation_id,
        ticket_id=instruction.ticket_id,
        source=instruction.source,
        workspace=f"{channel.platform}:{channel.workspace}",
        place=instruction.place.model_dump_json(exclude_none=True),
        thread=instruction.place.thread,
        text=storable(instruction.text),
        mentions=PEOPLE.dump_json(instruction.mentions, exclude_none=True).decode(),
        requested_at=instruction.requested_at,
        is_new=True,
    )
    post = OperationEntry(
        instruction.instruction_id, Operation.POST, DeliveryState.QUEUED, traceparent, at, is_new=True
    )
    entry.operations.append(post)
    entry.issue(post, at)
    return entry


def apply(entry: Entry, instruction: ReplyInstruction, traceparent: str | None, at: datetime) -> None:
    """Carry out an instruction about a delivery that the ledger has."""
    match instruction:
        case EditReply():
            _edit(entry, instruction, traceparent, at)
        case DeleteReply():
            _delete(entry, instruction, traceparent, at)
        case ResendReply():
            _resend(entry, traceparent, at)
        case ConfirmReply():
            _confirm(entry, at)
        case CancelReply():
            _cancel(entry, at)
        case _:  # the same reply again under another instruction: posted once
            return


def storable(text: str) -> str:
    """PostgreSQL takes no NUL characters."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _edit(entry: Entry, instruction: EditReply, traceparent: str | None, at: datetime) -> None:
    post = entry.post
    if entry.deleted or post.state is DeliveryState.CANCELLED:
        return
    entry.text = storable(instruction.text)
    entry.mentions = PEOPLE.dump_json(instruction.mentions, exclude_none=True).decode()
    entry.revision += 1
    entry.changed = True
    if entry.parts or post.state is DeliveryState.SENDING:
        _follow(entry, Operation.EDIT, instruction.instruction_id, traceparent, at)
    elif post.state in {DeliveryState.SENT, DeliveryState.UNKNOWN}:
        _follow(entry, Operation.EDIT, instruction.instruction_id, traceparent, at, failed=UNSEEN)


def _delete(entry: Entry, instruction: DeleteReply, traceparent: str | None, at: datetime) -> None:
    if entry.deleted:
        return
    post = entry.post
    entry.deleted = entry.withdrawn = entry.changed = True
    for operation in entry.operations:
        if operation.kind is Operation.EDIT and operation.state is DeliveryState.QUEUED:
            entry.move(operation, Event.CANCEL, at)
    unseen = bool(entry.unseen_parts) or post.state is DeliveryState.UNKNOWN
    unseen = unseen or (post.state is DeliveryState.SENT and not entry.message_keys)
    in_flight = post.state is DeliveryState.SENDING
    if not unseen and allowed(post.state, Event.CANCEL):  # what may be in the chat isn't called cancelled
        entry.move(post, Event.CANCEL, at)
    if entry.message_keys or in_flight:
        _follow(entry, Operation.DELETE, instruction.instruction_id, traceparent, at)
    elif unseen:
        _follow(entry, Operation.DELETE, instruction.instruction_id, traceparent, at, failed=UNSEEN)


def _resend(entry: Entry, traceparent: str | None, at: datetime) -> None:
    """At the end of the conversation's line: what was written later may have been posted meanwhile."""
    post = entry.post
    if entry.deleted or not allowed(post.state, Event.RESEND):
        return
    entry.withdrawn = False
    post.requeued = True
    post.traceparent = traceparent or post.traceparent
    post.queued_at = at
    entry.move(post, Event.RESEND, at)


def _confirm(entry: Entry, at: datetime) -> None:
    """The message in doubt arrived; what of a long text comes after it is still to be posted."""
    post = entry.post
    if not allowed(post.state, Event.CONFIRM):
        return
    entry.parts[max(entry.parts, default=-1) + 1] = Part(None, entry.revision)
    if post.parts_left and not entry.deleted:
        post.requeued = True
        entry.move(post, Event.RESEND, at)
    else:
        entry.move(post, Event.CONFIRM, at)


def _cancel(entry: Entry, at: datetime) -> None:
    post = entry.post
    if post.state is DeliveryState.SENDING:  # if it comes back unsent, it isn't tried again
        entry.withdrawn = entry.changed = True
    elif allowed(post.state, Event.CANCEL):
        entry.move(post, Event.CANCEL, at)


def _follow(
    entry: Entry,
    kind: Operation,
    instruction_id: str,
    traceparent: str | None,
    at: datetime,
    failed: DeliveryError | None = None,
) -> None:
    state = DeliveryState.QUEUED if failed is None else DeliveryState.FAILED
    operation = OperationEntry(instruction_id, kind, state, traceparent, at, error=failed, is_new=True)
    entry.operations.append(operation)
    entry.issue(operation, at)
