"""A delivery as the ledger holds it, in memory, while its row is locked. No I/O.

Each change of an operation's state makes one receipt with the next `version`, so receipts are gapless.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryError, DeliveryState, Operation
from contracts.chat_replies_v1 import ReplySource
from contracts.keys import ChannelKey, MessageKey
from services.notifier.ledger.states import ACTIVE, Event, after


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt and the trace it belongs to."""

    model: DeliveryChanged
    traceparent: str | None


@dataclass(slots=True)
class Part:
    """One message in the chat. `key` is None where a person confirmed it unseen."""

    key: MessageKey | None
    revision: int


@dataclass(slots=True)
class OperationEntry:
    """A post, edit or deletion. `requeued` asks for the end of the line when it is written."""

    instruction_id: str
    kind: Operation
    state: DeliveryState
    traceparent: str | None
    queued_at: datetime
    leased: bool = False
    attempts: int = 0
    parts_left: int = 0
    error: DeliveryError | None = None
    is_new: bool = False
    changed: bool = False
    requeued: bool = False

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


@dataclass(slots=True)
class Entry:
    """A delivery with its operations (the post first) and its parts by number, counted from 0."""

    delivery_id: str
    channel_key: ChannelKey
    partition: int
    conversation_id: str
    ticket_id: str | None
    source: str
    workspace: str
    place: str
    thread: str | None
    text: str
    mentions: str
    requested_at: datetime
    revision: int = 1
    version: int = 0
    withdrawn: bool = False
    deleted: bool = False
    parts: dict[int, Part] = field(default_factory=dict)
    operations: list[OperationEntry] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    is_new: bool = False
    changed: bool = False

    @property
    def post(self) -> OperationEntry:
        return next(operation for operation in self.operations if operation.kind is Operation.POST)

    @property
    def is_notice(self) -> bool:
        """Nobody wrote it: it is worth sending only while it is fresh."""
        return self.source == ReplySource.AUTOMATIC

    @property
    def message_keys(self) -> tuple[MessageKey, ...]:
        return tuple(part.key for _, part in sorted(self.parts.items()) if part.key is not None)

    @property
    def unseen_parts(self) -> tuple[int, ...]:
        return tuple(number for number, part in sorted(self.parts.items()) if part.key is None)

    def move(
        self, operation: OperationEntry, event: Event, at: datetime, error: DeliveryError | None = None
    ) -> DeliveryState:
        """Carry out one transition and write its receipt. Raises IllegalTransition."""
        operation.state = after(operation.state, event)
        operation.error = error
        operation.changed = True
        if not operation.active or operation.state is DeliveryState.QUEUED:
            operation.leased = False
        self.issue(operation, at)
        return operation.state

    def issue(self, operation: OperationEntry, at: datetime) -> None:
        """One more receipt: how this operation stands."""
        self.version += 1
        self.changed = True
        model = DeliveryChanged(
            delivery_id=self.delivery_id,
            version=self.version,
            channel_key=self.channel_key,
            conversation_id=self.conversation_id,
            operation=operation.kind,
            state=operation.state,
            at=at,
            attempts=operation.attempts,
            ticket_id=self.ticket_id,
            message_keys=self.message_keys,
            unseen_parts=self.unseen_parts,
            parts_left=operation.parts_left,
            thread=self.thread,
            error=operation.error,
            requested_at=self.requested_at,
        )
        self.receipts.append(Receipt(model, operation.traceparent))
