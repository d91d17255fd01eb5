"""What is left to do follows from the text and the parts alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts.chat_receipts_v1 import Operation
from contracts.keys import MessageKey
from services.notifier.ledger.entry import Part
from services.notifier.outcomes import Content
from services.notifier.steps import Nothing, Plan, Post, Remove, Unseen, Update, Withdrawn, plan

A, B, C = Content("a"), Content("b"), Content("c")


def part(number: int, revision: int = 1) -> Part:
    return Part(MessageKey(f"slack:C1:{number}.000001"), revision)


def test_a_post_goes_on_with_the_first_part_that_is_missing() -> None:
    assert plan(Operation.POST, [A, B, C], 1, {}, withdrawn=False) == Plan(Post(0, A), 2)
    assert plan(Operation.POST, [A, B, C], 1, {0: part(0)}, withdrawn=False) == Plan(Post(1, B), 1)
    assert plan(Operation.POST, [A], 1, {0: part(0)}, withdrawn=False) == Plan(Nothing())


def test_an_edit_updates_adds_and_removes() -> None:
    parts = {0: part(0), 1: part(1)}
    assert plan(Operation.EDIT, [A, B, C], 2, parts, withdrawn=False) == Plan(Update(0, part(0).key or "", A), 2)  # type: ignore[arg-type]
    fresh = {0: part(0, 2), 1: part(1, 2)}
    assert plan(Operation.EDIT, [A, B, C], 2, fresh, withdrawn=False).step == Post(2, C)
    assert isinstance(plan(Operation.EDIT, [A], 2, fresh, withdrawn=False).step, Remove)


def test_what_was_withdrawn_is_not_posted() -> None:
    assert plan(Operation.POST, [A], 1, {}, withdrawn=True).step == Withdrawn()
    assert plan(Operation.EDIT, [A], 2, {0: part(0)}, withdrawn=True).step == Nothing()


def test_a_message_that_nobody_has_seen_can_not_be_changed_but_the_others_are_removed() -> None:
    parts = {0: part(0), 1: Part(None, 1)}
    assert plan(Operation.EDIT, [A, B], 2, {1: Part(None, 1), 0: part(0, 2)}, withdrawn=False).step == Unseen()
    assert isinstance(plan(Operation.DELETE, [], 1, parts, withdrawn=True).step, Remove)
    assert plan(Operation.DELETE, [], 1, {1: Part(None, 1)}, withdrawn=True).step == Unseen()


@given(st.integers(1, 6), st.sets(st.integers(0, 7)), st.sampled_from([Operation.POST, Operation.EDIT]))
def test_step_after_step_the_chat_shows_the_text(count: int, there: set[int], kind: Operation) -> None:
    contents = [Content(str(number)) for number in range(count)]
    parts = {number: part(number, 1) for number in there}
    for _ in range(count + len(there) + 1):
        now = plan(kind, contents, 2, parts, withdrawn=False)
        match now.step:
            case Post(part=number) | Update(part=number):
                parts[number] = part(number, 2)
            case Remove(part=number):
                del parts[number]
            case _:
                break
    assert now.step == Nothing()
    assert sorted(parts) == list(range(count))
