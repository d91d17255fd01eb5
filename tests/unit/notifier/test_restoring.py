"""What instructions and receipts make of a delivery whose ledger was set back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryState, Operation
from contracts.chat_replies_v1 import (
    CancelReply,
    ConfirmReply,
    DeleteReply,
    EditReply,
    ReplyInstruction,
    ResendReply,
)
from contracts.keys import MessageKey
from services.notifier.ledger.entry import Entry, Part
from services.notifier.ledger.instructions import apply
from services.notifier.ledger.restoring import Fate, Told, instructed, settled
from services.notifier.ledger.states import Event
from tests.unit.notifier.test_instructions import AT, CHANNEL, KEY, S, entry_in

QUEUED, SENDING, SENT, UNKNOWN, FAILED = S.QUEUED, S.SENDING, S.SENT, S.UNKNOWN, S.FAILED
LATER = AT + timedelta(hours=1)
POST, EDIT, DELETE = Operation.POST, Operation.EDIT, Operation.DELETE


def instruction(model: type[ReplyInstruction], number: int = 2, **more: Any) -> ReplyInstruction:
    return model.model_validate(
        {"instruction_id": f"i{number}", "delivery_id": "d1", "channel_key": CHANNEL, "requested_at": AT, **more}
    )


def edit(text: str, number: int = 2) -> ReplyInstruction:
    return instruction(EditReply, number, text=text)


def restored(
    given: list[ReplyInstruction],
    *receipts: tuple[Operation, DeliveryState],
    in_ledger: DeliveryState = QUEUED,
    parts: Sequence[MessageKey | None] = (),
) -> tuple[Entry, int]:
    """The entry after it, and which of its texts the chat shows. The receipts are as of the version that told no parts.

    Message keys are those of the ledger's parts, and told from the first `sent` on, unless a person said that.
    """
    entry: Entry | None = entry_in(in_ledger)
    assert entry is not None
    entry.parts = {number: Part(key, 1) for number, key in enumerate(parts)}
    told, fate, was = Told(), Fate(entry.version, in_ledger, frozenset(entry.unseen_parts)), in_ledger
    keys = entry.message_keys
    for one in given:
        entry = instructed(entry, told, one, partition=3, traceparent=None, at=AT)
    assert entry is not None
    for operation, state in receipts:
        keys = (KEY,) if state is SENT and was is not UNKNOWN and not keys else keys
        was = state if operation is POST else was
        fate.fold(
            DeliveryChanged(
                delivery_id="d1", version=fate.version + 1, channel_key=CHANNEL, conversation_id="c1",
                operation=operation, state=state, at=AT, message_keys=keys,
            )
        )  # fmt: skip
    return entry, settled(entry, told, fate, LATER)


def waiting(entry: Entry) -> list[str]:
    return [f"{one.kind} {one.state}" for one in entry.operations if one.active]


@pytest.mark.parametrize("receipts", [[], [(POST, QUEUED)], [(POST, QUEUED), (POST, SENDING)]])
def test_a_post_that_no_receipt_ends_is_in_doubt(receipts: list[tuple[Operation, DeliveryState]]) -> None:
    entry, _ = restored([], *receipts)
    assert waiting(entry) == ["post sending"]
    assert entry.version == 1 + len(receipts)


@pytest.mark.parametrize("state", [SENT, UNKNOWN, FAILED, S.CANCELLED])
def test_a_post_that_a_receipt_ends_is_ended(state: DeliveryState) -> None:
    entry, _ = restored([], (POST, QUEUED), (POST, SENDING), (POST, state))
    assert (entry.post.state, waiting(entry)) == (state, [])


@pytest.mark.parametrize("in_ledger", [QUEUED, SENDING, UNKNOWN, FAILED])
@pytest.mark.parametrize("state", [SENT, UNKNOWN, FAILED, S.CANCELLED])
def test_how_a_post_ended_is_written_whatever_the_ledger_had(in_ledger: DeliveryState, state: DeliveryState) -> None:
    entry, _ = restored([], (POST, QUEUED), (POST, SENDING), (POST, state), in_ledger=in_ledger)
    assert (entry.post.state, entry.post.changed) == (state, True)


@pytest.mark.parametrize("in_ledger", [QUEUED, UNKNOWN])
def test_what_a_person_confirmed_unseen_stays_a_part_without_a_key(in_ledger: DeliveryState) -> None:
    doubt = [] if in_ledger is UNKNOWN else [(POST, SENDING), (POST, UNKNOWN)]
    entry, _ = restored([], *doubt, (POST, SENT), in_ledger=in_ledger)
    assert (entry.post.state, entry.parts) == (SENT, {0: Part(None, 1)})
    entry, _ = restored([edit("new")], *doubt, (POST, SENT), (EDIT, FAILED), in_ledger=in_ledger)
    assert [part.key for part in entry.parts.values()] == [None]


def test_a_confirmed_part_comes_behind_those_whose_keys_are_known() -> None:
    entry, _ = restored([], (POST, SENT), in_ledger=UNKNOWN, parts=[KEY])
    assert entry.parts == {0: Part(KEY, 1), 1: Part(None, 1)}


def test_confirmed_parts_of_the_ledger_stay_at_their_numbers() -> None:
    entry, _ = restored([edit("new")], (EDIT, FAILED), in_ledger=SENT, parts=[None, KEY])
    assert [entry.parts[number].key for number in (0, 1)] == [None, KEY]


class Life:
    """A reply of three messages, with the receipts that its ledger made."""

    def __init__(self) -> None:
        self.entry = entry_in(QUEUED)
        self.entry.version = 0

    def lose(self, part: int) -> None:
        self._lease()
        self._ends(part, Event.LOST)

    def post(self, part: int) -> None:
        self._lease()
        self.entry.parts[part] = Part(MessageKey(f"{CHANNEL}:{part}"), 1)
        self._ends(part, Event.PART_DONE if part < 2 else Event.COMPLETED)

    def decide(self, model: type[ReplyInstruction]) -> None:
        apply(self.entry, instruction(model), None, AT)

    def _lease(self) -> None:
        self.entry.move(self.entry.post, Event.LEASED, AT)

    def _ends(self, part: int, event: Event) -> None:
        self.entry.post.parts_left = 2 - part
        self.entry.move(self.entry.post, event, AT)

    def restored(self, given: Sequence[ReplyInstruction] = ()) -> Entry:
        entry: Entry | None = entry_in(QUEUED)
        told, fate = Told(), Fate(0)
        for one in given:
            entry = instructed(entry, told, one, partition=3, traceparent=None, at=AT)
        assert entry is not None
        for receipt in self.entry.receipts:
            fate.fold(receipt.model)
        settled(entry, told, fate, LATER)
        return entry


@pytest.mark.parametrize("decisions", list(itertools.product((None, ConfirmReply, ResendReply), repeat=3)))
def test_parts_are_as_the_ledger_had_them_whatever_people_decided_half_way(
    decisions: tuple[type[ReplyInstruction] | None, ...],
) -> None:
    life = Life()
    for part, decision in enumerate(decisions):
        if decision is not None:
            life.lose(part)
            before, after = life.entry, life.restored()
            assert (after.post.state, after.post.parts_left, after.parts) == (UNKNOWN, 2 - part, before.parts)
            life.decide(decision)
        if decision is not ConfirmReply:
            life.post(part)
    restored = life.restored()
    assert (restored.post.state, restored.parts) == (SENT, life.entry.parts)


def test_a_confirmation_is_not_taken_for_the_resend_that_is_asked_for_later() -> None:
    life = Life()
    life.lose(0)
    life.decide(ConfirmReply)
    life.lose(1)
    assert life.restored([instruction(ConfirmReply)]).post.state is UNKNOWN
    asked = life.restored([instruction(ConfirmReply), instruction(ResendReply)])
    assert (asked.post.state, asked.parts) == (SENDING, {0: Part(None, 1)})


def test_where_receipts_tell_no_parts_there_may_be_some_behind_the_one_in_doubt() -> None:
    entry, _ = restored([], (POST, SENDING), (POST, UNKNOWN))
    assert entry.post.parts_left == 1


def test_a_post_that_was_deleted_since_has_no_parts() -> None:
    entry, fate = entry_in(QUEUED), Fate(1)
    for version, operation, keys in ((2, POST, (KEY,)), (3, DELETE, ())):
        fate.fold(
            DeliveryChanged(
                delivery_id="d1", version=version, channel_key=CHANNEL, conversation_id="c1",
                operation=operation, state=SENT, at=AT, message_keys=keys,
            )
        )  # fmt: skip
    settled(entry, Told(), fate, LATER)
    assert entry.parts == {}


def test_an_edit_that_a_receipt_ends_is_not_made_again() -> None:
    sent = (POST, SENT)
    entry, shown = restored([edit("new")], sent, (EDIT, QUEUED), (EDIT, SENDING), (EDIT, SENT))
    assert (entry.text, waiting(entry)) == ("new", [])
    assert shown == entry.revision == entry.parts[0].revision


def test_of_edits_without_receipts_the_last_text_is_made_again() -> None:
    entry, shown = restored([edit("newer", 2), edit("newest", 3)], (POST, SENT), (EDIT, SENT))
    assert (entry.text, waiting(entry)) == ("newest", ["edit queued"])
    assert shown == entry.parts[0].revision == entry.revision - 1
    assert entry.operations[-1].instruction_id == "i3"


def test_after_a_refused_edit_the_chat_shows_an_earlier_text() -> None:
    """So that a resend of a text posted half-way changes what is there of it too."""
    entry, shown = restored([edit("new")], (POST, SENDING), (POST, UNKNOWN), (EDIT, FAILED), parts=[KEY])
    assert (entry.post.state, entry.parts) == (UNKNOWN, {0: Part(KEY, 1)})
    assert shown == entry.revision - 1


def test_behind_a_post_in_doubt_its_edit_follows() -> None:
    entry, shown = restored([edit("new")], (POST, SENDING))
    assert waiting(entry) == ["post sending", "edit queued"]
    assert shown == entry.revision - 1


def test_a_deletion_without_a_receipt_is_made_again_and_one_with_is_not() -> None:
    entry, _ = restored([instruction(DeleteReply)], (POST, SENT))
    assert (entry.deleted, waiting(entry)) == (True, ["delete queued"])
    entry, _ = restored([instruction(DeleteReply)], (POST, SENT), (DELETE, SENT))
    assert (entry.deleted, waiting(entry)) == (True, [])
    entry, _ = restored([instruction(DeleteReply)], (POST, S.CANCELLED))
    assert waiting(entry) == []


@pytest.mark.parametrize("in_ledger", [QUEUED, FAILED], ids=["failed since", "failed before the backup"])
def test_sending_again_is_in_doubt_unless_receipts_tell_how_it_ended(in_ledger: DeliveryState) -> None:
    failed = [] if in_ledger is FAILED else [(POST, FAILED)]
    again = [(POST, QUEUED), (POST, SENDING), (POST, FAILED)]
    entry, _ = restored([instruction(ResendReply)], *failed, *again, in_ledger=in_ledger)
    assert (entry.post.state, waiting(entry)) == (FAILED, [])
    entry, _ = restored([instruction(ResendReply)], *failed, in_ledger=in_ledger)
    assert waiting(entry) == ["post sending"]


def test_what_was_withdrawn_is_not_posted_should_it_not_be_there() -> None:
    entry, _ = restored([instruction(CancelReply)], (POST, QUEUED))
    assert (entry.withdrawn, waiting(entry)) == (True, ["post sending"])
    entry, _ = restored([instruction(CancelReply)], (POST, SENT))
    assert not entry.withdrawn


def test_an_instruction_about_an_unknown_delivery_makes_none() -> None:
    assert instructed(None, Told(), edit("new"), partition=3, traceparent=None, at=AT) is None
