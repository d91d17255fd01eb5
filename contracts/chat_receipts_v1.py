"""`chat.receipts.v1`: the fate of each delivery, as the notifier's ledger has it."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime

from contracts import ids
from contracts.base import Model, RecordModel
from contracts.keys import ChannelKey, MessageKey


class DeliveryState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Operation(StrEnum):
    POST = "post"
    EDIT = "edit"
    DELETE = "delete"


class DeliveryError(Model):
    """`code` is stable for programs (`channel_archived`), `text` is for the agent: what happened and what to do."""

    code: str
    text: str


class DeliveryChanged(RecordModel):
    """A delivery or one of its edits changed its state. `version` counts from 1; consumers drop `version <= seen`.

    `message_keys` has a long reply's parts in order, without `unseen_parts` (numbers from 0), which a person confirmed
    and whose keys nobody knows. `parts_left` is how many come behind the one in doubt; None: of a version that told
    neither.
    """

    TYPE: ClassVar[str] = "okno.delivery.changed.v1"
    delivery_id: str
    version: int
    channel_key: ChannelKey
    conversation_id: str
    operation: Operation
    state: DeliveryState
    at: AwareDatetime
    attempts: int = 0
    ticket_id: str | None = None
    message_keys: tuple[MessageKey, ...] = ()
    unseen_parts: tuple[int, ...] = ()
    parts_left: int | None = None
    thread: str | None = None
    error: DeliveryError | None = None
    requested_at: AwareDatetime | None = None

    @property
    def record_id(self) -> str:
        return ids.receipt(self.delivery_id, self.version)

    @property
    def record_key(self) -> str:
        return self.channel_key
