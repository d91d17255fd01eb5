"""What instructions do to a delivery in each of its states."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import pytest

from contracts.chat import Channel, ChannelType, Place
from contracts.chat_receipts_v1 import DeliveryState, Operation
from contracts.chat_replies_v1 import (
    CancelReply,
    ConfirmReply,
    DeleteReply,
    EditReply,
    PostReply,
    ReplyInstruction,
    ReplySource,
    ResendReply,
)
from contracts.keys import ChannelKey, MessageKey, PlaceKey, Platform
from services.notifier.ledger.entry import Entry, Part
from services.notifier.ledger.instructions import apply, opened

AT = datetime(2026, 5, 1, tzinfo=UTC)
CHANNEL = ChannelKey("slack:C1")
KEY = MessageKey("slack:C1:10.000001")
PLACE = Place(
    key=PlaceKey("slack:C1/9.000001"),
    channel=Channel(key=CHANNEL, platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC),
    thread="9.000001",
)
S = DeliveryState
I = TypeVar("I", bound=ReplyInstruction)  # noqa: E741


def entry_in(state: DeliveryState, *, parts: int = 0) -> Entry:
    post = PostReply(
        instruction_id="i1",
        delivery_id="d1",
        channel_key=CHANNEL,
        requested_at=AT,
        conversation_id="c1",
        place=PLACE,
        text="old",
        source=ReplySource.AGENT,
    )
    entry = opened(post, 3, None, AT)
    entry.receipts.clear()
    entry.post.state = state
    entry.post.is_new = False
    for number in range(parts):
        entry.parts[number] = Part(KEY, 1)
    return entry


def tell(entry: Entry, model: type[I], **more: object) -> list[str]:
    """Apply an instruction; the receipts that it made."""
    fields = {"instruction_id": "i2", "delivery_id": "d1", "channel_key": CHANNEL, "requested_at": AT, **more}
    apply(entry, model.model_validate(fields), None, AT)
    assert [one.model.version for one in entry.receipts] == list(range(2, 2 + len(entry.receipts)))
    return [f"{one.model.operation} {one.model.state}" for one in entry.receipts]


def test_a_new_delivery_is_queued_with_its_first_receipt() -> None:
    entry = entry_in(S.QUEUED)
    assert (entry.version, entry.workspace, entry.partition, entry.thread) == (1, "slack:T1", 3, "9.000001")


@pytest.mark.parametrize(
    ("state", "parts", "receipts"),
    [
        (S.QUEUED, 0, []),
        (S.FAILED, 0, []),
        (S.QUEUED, 1, ["edit queued"]),
        (S.FAILED, 1, ["edit queued"]),
        (S.SENDING, 0, ["edit queued"]),
        (S.SENT, 1, ["edit queued"]),
        (S.UNKNOWN, 0, ["edit failed"]),
    ],
)
def test_an_edit_changes_the_text_and_follows_what_has_begun(
    state: DeliveryState, parts: int, receipts: list[str]
) -> None:
    entry = entry_in(state, parts=parts)
    assert tell(entry, EditReply, text="new") == receipts
    assert (entry.text, entry.revision) == ("new", 2)
    assert entry.post.state is state


def test_an_edit_of_a_cancelled_or_deleted_reply_changes_nothing() -> None:
    cancelled, deleted = entry_in(S.CANCELLED), entry_in(S.SENT, parts=1)
    assert tell(cancelled, EditReply, text="new") == []
    tell(deleted, DeleteReply)
    deleted.receipts.clear()
    apply(
        deleted,
        EditReply(instruction_id="i3", delivery_id="d1", channel_key=CHANNEL, requested_at=AT, text="x"),
        None,
        AT,
    )
    assert (cancelled.text, deleted.text, deleted.receipts) == ("old", "old", [])


@pytest.mark.parametrize(
    ("state", "parts", "receipts"),
    [
        (S.QUEUED, 0, ["post cancelled"]),
        (S.FAILED, 0, ["post cancelled"]),
        (S.QUEUED, 1, ["post cancelled", "delete queued"]),
        (S.SENDING, 0, ["delete queued"]),
        (S.SENT, 1, ["delete queued"]),
        (S.SENT, 0, ["delete failed"]),
        (S.UNKNOWN, 0, ["delete failed"]),
        (S.UNKNOWN, 1, ["delete queued"]),
        (S.CANCELLED, 0, []),
        (S.CANCELLED, 1, ["delete queued"]),
    ],
)
def test_a_deletion_withdraws_and_removes(state: DeliveryState, parts: int, receipts: list[str]) -> None:
    entry = entry_in(state, parts=parts)
    assert tell(entry, DeleteReply) == receipts
    assert (entry.deleted, entry.withdrawn) == (True, True)


def test_a_deletion_cancels_edits_that_wait() -> None:
    entry = entry_in(S.SENT, parts=1)
    tell(entry, EditReply, text="new")
    entry.receipts.clear()
    apply(entry, DeleteReply(instruction_id="i3", delivery_id="d1", channel_key=CHANNEL, requested_at=AT), None, AT)
    kinds = [(one.kind, one.state) for one in entry.operations]
    assert kinds == [(Operation.POST, S.SENT), (Operation.EDIT, S.CANCELLED), (Operation.DELETE, S.QUEUED)]


@pytest.mark.parametrize(
    ("model", "moves"),
    [
        (ResendReply, {S.FAILED: "post queued", S.UNKNOWN: "post queued"}),
        (ConfirmReply, {S.UNKNOWN: "post sent"}),
        (CancelReply, {S.QUEUED: "post cancelled", S.FAILED: "post cancelled", S.UNKNOWN: "post cancelled"}),
    ],
)
def test_what_people_decide(model: type[ReplyInstruction], moves: dict[DeliveryState, str]) -> None:
    for state in S:
        expected = [moves[state]] if state in moves else []
        assert tell(entry_in(state), model) == expected, state


def test_a_resent_reply_goes_to_the_end_of_the_line() -> None:
    entry = entry_in(S.FAILED)
    tell(entry, ResendReply)
    assert entry.post.requeued


def test_a_reply_that_is_being_sent_is_cancelled_only_if_it_comes_back() -> None:
    entry = entry_in(S.SENDING)
    assert tell(entry, CancelReply) == []
    assert (entry.withdrawn, entry.deleted) == (True, False)


def test_confirming_one_part_of_several_sends_the_rest() -> None:
    entry = entry_in(S.UNKNOWN, parts=1)
    entry.post.parts_left = 2
    assert tell(entry, ConfirmReply) == ["post queued"]
    assert entry.parts[1].key is None
    [receipt] = entry.receipts
    assert (receipt.model.message_keys, receipt.model.unseen_parts) == ((KEY,), (1,))


def test_the_same_reply_under_another_instruction_is_posted_once() -> None:
    entry = entry_in(S.SENT, parts=1)
    again = {"conversation_id": "c1", "place": PLACE, "text": "other", "source": ReplySource.AGENT}
    assert tell(entry, PostReply, **again) == []
    assert entry.text == "old"
