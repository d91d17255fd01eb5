"""A delivery as the log tells it: instructions say what the chat should show, receipts how far that came. Pure.

What has no receipt that ends it was possibly sent: a post is left in doubt, as after a sender's death, so the next
holder of its lease reads it back (Slack) or calls it `unknown` (Telegram). Edits and deletions are made again, which
does no harm. Only what a receipt ends is ended, and that is written whatever state the ledger had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryError, DeliveryState, Operation
from contracts.chat_replies_v1 import (
    CancelReply,
    DeleteReply,
    EditReply,
    PostReply,
    ReplyInstruction,
    ResendReply,
)
from contracts.keys import MessageKey
from services.notifier.ledger.entry import Entry, OperationEntry, Part
from services.notifier.ledger.instructions import PEOPLE, opened, storable
from services.notifier.ledger.states import ACTIVE

_ENDED_BADLY = (DeliveryState.FAILED, DeliveryState.UNKNOWN)


@dataclass(slots=True)
class Fate:
    """What receipts newer than the ledger say of one delivery."""

    version: int
    was: DeliveryState | None = None
    """The post's state in the ledger."""
    unseen: frozenset[int] = frozenset()
    """Numbers of the parts that a person confirmed unseen, at first those of the ledger."""
    parts_left: int | None = None
    post: DeliveryState | None = None
    attempts: int = 0
    error: DeliveryError | None = None
    keys: tuple[MessageKey, ...] = ()
    edits: list[DeliveryState] = field(default_factory=list)
    """How edits ended, in order."""
    deleted: DeliveryState | None = None
    """How its deletion ended."""
    resends: int = 0
    at: datetime | None = None

    def fold(self, receipt: DeliveryChanged) -> None:
        """The next receipt. One that isn't newer changes nothing."""
        if receipt.version <= self.version:
            return
        follows = receipt.version == self.version + 1
        self.version, self.at = receipt.version, receipt.at
        self.keys = receipt.message_keys
        state = receipt.state
        confirmed = frozenset(receipt.unseen_parts) - self.unseen
        match receipt.operation:
            case Operation.POST:
                before = self.post or self.was
                if receipt.parts_left is None and state is DeliveryState.SENT:  # of a version that told no parts
                    given_up = follows and before is DeliveryState.UNKNOWN  # the platform doesn't end such a post
                    if given_up or not (self.keys or self.unseen):
                        confirmed = frozenset({len(self.keys) + len(self.unseen)})
                self.resends += before in _ENDED_BADLY and state is DeliveryState.QUEUED and not confirmed
                self.post, self.attempts, self.error = state, receipt.attempts, receipt.error
                self.parts_left = receipt.parts_left
            case Operation.EDIT if state not in ACTIVE:
                self.edits.append(state)
            case Operation.DELETE if state not in ACTIVE:
                self.deleted = state
            case _:
                pass
        self.unseen |= confirmed


@dataclass(slots=True)
class Told:
    """What instructions that the ledger doesn't have say of one delivery."""

    resends: int = 0
    edits: list[str] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)


def instructed(
    entry: Entry | None, told: Told, given: ReplyInstruction, *, partition: int, traceparent: str | None, at: datetime
) -> Entry | None:
    """The entry with what an instruction wants; None where its post is unknown. Nothing is queued by this."""
    if entry is None:
        if not isinstance(given, PostReply):
            return None
        entry = opened(given, partition, traceparent, at)
        entry.receipts.clear()
        entry.version = 0
        return entry
    match given:
        case EditReply() if not entry.deleted:
            entry.text = storable(given.text)
            entry.mentions = PEOPLE.dump_json(given.mentions, exclude_none=True).decode()
            entry.revision += 1
            told.edits.append(given.instruction_id)
        case DeleteReply() if not entry.deleted:
            entry.deleted = entry.withdrawn = True
            told.deletes.append(given.instruction_id)
        case CancelReply():
            entry.withdrawn = True
        case ResendReply():
            entry.withdrawn = entry.deleted
            told.resends += 1
        case _:  # a receipt tells that a person confirmed it; without one it is to be confirmed again
            pass
    entry.changed = True
    return entry


def settled(entry: Entry, told: Told, fate: Fate, at: datetime) -> int:
    """Bring operations and parts to what is known of them. Which of its texts the chat shows, if it shows one.

    `at` is later than all that was instructed before.
    """
    post = entry.post
    entry.version, entry.changed = max(entry.version, fate.version), True
    if fate.post is not None:
        post.state, post.attempts, post.error = fate.post, max(post.attempts, fate.attempts), fate.error
        # Where that isn't told there may be some, and a worker sees to it once the part in doubt is confirmed.
        post.parts_left = int(post.state is DeliveryState.UNKNOWN) if fate.parts_left is None else fate.parts_left
        post.changed = True
    if post.state in _ENDED_BADLY and told.resends > fate.resends:
        post.state = DeliveryState.SENDING  # asked for once more, and nothing says what came of it
    if post.state in ACTIVE:
        post.state, post.changed = DeliveryState.SENDING, True
    if post.state is DeliveryState.SENT:
        entry.withdrawn = entry.deleted
    waiting = [one for one in entry.operations if one.kind is Operation.EDIT and one.active]
    for operation, state in zip(waiting, fate.edits, strict=False):
        operation.state, operation.changed = state, True
    ended = len(fate.edits) - len(waiting)
    in_chat = bool(fate.keys or entry.parts) or post.state in (DeliveryState.SENDING, DeliveryState.SENT)
    again = in_chat and not entry.deleted and bool(told.edits) and len(told.edits) > max(0, ended)
    if again:
        entry.operations.append(_following(entry, Operation.EDIT, told.edits[-1], at))
    refused = fate.edits[-1:] == [DeliveryState.FAILED]  # perhaps several: what it shows isn't the present text
    shown = entry.revision - 1 if again or refused else entry.revision
    if fate.at is not None:
        entry.parts = _parts(entry.parts, fate, shown)
    _settle_deletion(entry, told, fate, at, in_chat=in_chat)
    return shown


def _parts(known: Mapping[int, Part], fate: Fate, shown: int) -> dict[int, Part]:
    """Receipts name the messages with keys, in order; those without keep their numbers, so none is posted again."""
    parts = {number: Part(None, shown) for number in fate.unseen}
    parts |= {number: part for number, part in known.items() if part.key is None}
    free = (number for number in range(len(parts) + len(fate.keys)) if number not in parts)
    with_keys = {number: Part(key, shown) for number, key in zip(free, fate.keys, strict=False)}
    return parts | with_keys


def _settle_deletion(entry: Entry, told: Told, fate: Fate, at: datetime, *, in_chat: bool) -> None:
    for operation in entry.operations:
        if operation.kind is Operation.DELETE and operation.active and fate.deleted is not None:
            operation.state, operation.changed = fate.deleted, True
    if told.deletes and fate.deleted is None and in_chat:
        entry.operations.append(_following(entry, Operation.DELETE, told.deletes[-1], at))


def _following(entry: Entry, kind: Operation, instruction_id: str, at: datetime) -> OperationEntry:
    return OperationEntry(instruction_id, kind, DeliveryState.QUEUED, entry.post.traceparent, at, is_new=True)
