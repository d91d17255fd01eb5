"""Every rule of the checker is seen to fail: a sound history passes, and each fault put into it is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chaos.check.rules import RULES, violations
from chaos.facts import (
    WRITTEN,
    Change,
    Command,
    DeadLetter,
    Ended,
    Event,
    Facts,
    Leased,
    Message,
    Operation,
    Outcome,
    Post,
    SetBack,
    Ticket,
    Told,
    Trouble,
)
from sandbox.stack.inside.backlog import READERS

C = "slack:C1"
D = "telegram:7700:5"
M1, M2, M3 = f"{C}:1.1", f"{C}:1.2", f"{D}:9"
ADA = "slack:U1"
EDITED = f"{M1}:edited:2.0:abc"
LIKED = f"{M1}:reaction:{ADA}:heart:added:3.0"
POISON = ("chat.replies.v1", 0, 7)
BROKEN = ("chat.events.v1", -1, -1)


def operation(act: int, kind: str, **more: Any) -> Operation:
    outcome: Outcome = "acknowledged"
    return replace(Operation(act, kind, outcome, channel=C, asked_at=100.0 + act, ended_at=100.5 + act), **more)


def sound() -> Facts:
    """Two messages of a thread (one edited, liked; one deleted), a dialog, three replies (one edited), a change."""
    return Facts(
        seed=7,
        operations=[
            operation(0, "post", message=M1, text="one m0", person=ADA),
            operation(1, "post", message=M2, text="two m1", person=ADA, thread=M1),
            operation(2, "edit", message=M1, text="one again m2", person=ADA),
            operation(3, "react", message=M1, name="heart", person=ADA),
            operation(4, "delete", message=M2),
            operation(5, "post", message=M3, text="hello m5", channel=D),
            operation(6, "answer", ticket="T1", replies=("r6",), text="yes a6"),
            operation(7, "answer", ticket="T1", replies=("r7",), text="no a7"),
            operation(8, "edit_answer", ticket="T1", replies=("r7",), text="maybe e8 a7"),
            operation(9, "answer", ticket="T2", replies=("r9",), text="hm a9", channel=D),
            operation(10, "assign", ticket="T1", tag="act-10", seen_tags=("old",), seen_revision=1),
        ],
        events=[
            Event(M1, "okno.chat.message_posted.v1", C, 0, 0, M1, "one m0"),
            Event(M2, "okno.chat.message_posted.v1", C, 0, 1, M2, "two m1"),
            Event(EDITED, "okno.chat.message_edited.v1", C, 0, 2, M1, "one again m2"),
            Event(LIKED, "okno.chat.reaction_changed.v1", C, 0, 3, M1),
            Event(f"{M2}:deleted", "okno.chat.message_deleted.v1", C, 0, 4, M2),
            Event(M3, "okno.chat.message_posted.v1", D, 1, 0, M3, "hello m5"),
        ],
        decisions=[M1, M2, EDITED, LIKED, f"{M2}:deleted", M3],
        commands=[Command(f"{M1}#0", M1, (0, 0), 0, 0), Command(f"{M2}#0", M2, (0, 1), 0, 1)],
        changes=[
            Change("T1", 1, "opened", M1, "c"),
            Change("T1", 2, "message_added", M2, "c"),
            Change("T1", 3, "reply_added", "r6", "q"),
            Change("T2", 1, "opened", M3, "c"),
            Change("T1", 4, "reply_added", "r7", "q", at=108.0),
            Change("T1", 5, "updated", None, "q", (("old",), ("act-10",))),
            Change("T1", 4, "reply_added", "r7", "q", at=112.0),
        ],
        tickets=[Ticket("T1", 5, 2, (1, 2, 3, 4, 5)), Ticket("T2", 1, 1, (1,))],
        messages=[
            Message(M1, "T1", "chat", "one again m2", reactions=frozenset({(ADA, "heart")})),
            Message(M2, "T1", "chat", "two m1", deleted=True),
            Message(M3, "T2", "chat", "hello m5"),
            Message("r6", "T1", "reply", "yes a6", state="sent", operation_state="sent", keys=(f"{C}:2.1",)),
            Message("r7", "T1", "reply", "maybe e8 a7", state="sent", operation_state="sent", keys=(f"{C}:2.2",)),
            Message("r9", "T2", "reply", "hm a9", state="unknown", operation_state="unknown"),
        ],
        posts=[
            Post(C, f"{C}:2.1", "yes a6", ours=True),
            Post(C, f"{C}:2.2", "maybe e8 a7", ours=True),
            Post(D, f"{D}:10", "hm a9", ours=True),
        ],
        dead_letters=[DeadLetter("notifier", *POISON), DeadLetter("ingest-slack-0", *BROKEN)],
        poison=frozenset({POISON, BROKEN}),
        leased=[Leased("relay", "ticketing-worker-1", 110.0)],
        positions={("router", "chat.events.v1", 0): 5},
        ends={("chat.events.v1", 0): 5},
        troubles=[Trouble(("platform telegram answer lost",), 105.0, 112.0, 0.5)],
        searched=dict.fromkeys(WRITTEN, 100),
    )


Change_ = Callable[[Facts], Facts]


def changed(facts: Facts, name: str, value: Any) -> Facts:
    fields: dict[str, Any] = {name: value}
    return replace(facts, **fields)


def without(name: str, index: int) -> Change_:
    """The facts, one of a list missing."""

    def change(facts: Facts) -> Facts:
        listed = list(getattr(facts, name))
        del listed[index]
        return changed(facts, name, listed)

    return change


def with_more(name: str, *more: object) -> Change_:
    return lambda facts: changed(facts, name, [*getattr(facts, name), *more])


def altered(name: str, index: int, **fields: Any) -> Change_:
    """The facts, one of a list different."""

    def change(facts: Facts) -> Facts:
        listed = list(getattr(facts, name))
        listed[index] = replace(listed[index], **fields)
        return changed(facts, name, listed)

    return change


def given(**fields: Any) -> Change_:
    return lambda facts: replace(facts, **fields)


def both(*changes: Change_) -> Change_:
    def change(facts: Facts) -> Facts:
        for one in changes:
            facts = one(facts)
        return facts

    return change


SECOND = Message("r60", "T1", "reply", "yes a6", state="sent")
WITHDRAWN = operation(11, "delete_answer", replies=("r6",))
AGAIN = Change("T1", 6, "updated", None, "q", (("old",), ("act-10",)))
FAULTS: list[tuple[str, str, Change_]] = [
    ("messages", "is in no ticket", without("messages", 2)),
    ("messages", "was added 2 times", with_more("changes", Change("T2", 2, "message_added", M1, "c"))),
    ("messages", "never showed that it came", without("changes", 1)),
    ("messages", "its text is", altered("messages", 0, text="one m0")),
    ("messages", "isn't marked so", altered("messages", 1, deleted=False)),
    ("messages", "nobody deleted it", altered("messages", 2, deleted=True)),
    ("messages", "is missing", altered("messages", 0, reactions=frozenset())),
    ("messages", "nobody set the reaction", altered("messages", 2, reactions=frozenset({(ADA, "tada")}))),
    ("messages", "nobody wrote it", with_more("messages", Message(f"{C}:8.8", "T1", "chat", "boo"))),
    ("decisions", "has 0 decisions", without("decisions", 0)),
    ("decisions", "has 2 decisions", with_more("decisions", M1)),
    ("decisions", "was decided from", with_more("commands", Command(f"{M1}#0", M1, (0, 9), 0, 2))),
    ("decisions", "act 0 (post) is not in", without("events", 0)),
    ("decisions", "act 2 (edit) is not in", without("events", 2)),
    ("decisions", "act 3 (react) is not in", without("events", 3)),
    ("decisions", "act 4 (delete) is not in", without("events", 4)),
    (
        "decisions",
        "act 12 (react) is not in",
        with_more("operations", *(operation(act, "react", message=M1, name="heart", person=ADA) for act in (11, 12))),
    ),
    ("replies", "it was acknowledged, and isn't there", without("messages", 3)),
    ("replies", "it is in the chat 2 times", with_more("posts", Post(C, f"{C}:2.3", "yes a6", ours=True))),
    ("replies", "it isn't in the chat", without("posts", 0)),
    ("replies", "the chat shows", altered("posts", 1, text="no a7")),
    ("replies", "it is the message", altered("messages", 3, keys=(f"{C}:9.9",))),
    ("replies", "its text is", altered("messages", 4, text="no a7")),
    ("replies", "nobody deleted it", altered("messages", 3, deleted=True)),
    ("replies", "and it isn't deleted", with_more("operations", WITHDRAWN)),
    ("replies", "one Idempotency-Key made 2", with_more("messages", SECOND)),
    ("replies", "one Idempotency-Key got", altered("operations", 6, replies=("r6", "r60"))),
    ("replies", "it was refused, and is there", altered("operations", 6, outcome="failed")),
    ("replies", "the API called it", altered("operations", 6, replies=("r60",))),
    ("replies", "but in no ticket", both(without("messages", 3), altered("operations", 6, outcome="failed"))),
    ("replies", "nobody withdrew it", altered("messages", 3, state="cancelled")),
    ("replies", "nobody withdrew it", altered("messages", 3, state="cancelled", code="stale")),
    ("replies", "says cancelled, but it is in", altered("messages", 3, state="cancelled", deleted=True)),
    ("replies", "and its thread is there", altered("messages", 5, state="failed")),
    ("rest", "ended by itself", given(ended=[Ended("router-0", 106.0, "LogGap")])),
    ("replies", "says failed, but it is in", altered("messages", 3, state="failed")),
    ("replies", "Slack can be asked", both(altered("messages", 3, state="unknown"), without("operations", 4))),
    ("replies", "nothing had cut a response", given(troubles=())),
    ("replies", "at the end", altered("messages", 3, state="sending")),
    ("replies", "nobody wrote what", with_more("posts", Post(C, f"{C}:3.3", "hi a77", ours=True))),
    ("replies", "that it was deleted", both(altered("messages", 3, deleted=True), with_more("operations", WITHDRAWN))),
    ("versions", "two changes with version 4", altered("changes", 6, message="r8")),
    ("versions", "its history has", altered("tickets", 0, history=(1, 2, 4, 5))),
    ("versions", "showed first the versions", without("changes", 2)),
    ("versions", "but it isn't there", without("tickets", 1)),
    ("order", "after", altered("events", 0, offset=9)),
    ("order", "stands before", lambda facts: replace(facts, posts=[facts.posts[i] for i in (1, 0, 2)])),
    ("relays", "had no new token", given(leased=())),
    ("relays", "had no new token", given(leased=[Leased("relay", "ticketing-worker-1", 113.0)])),
    ("changes", "was acknowledged, and isn't there", without("changes", 5)),
    ("changes", "was refused, and is there", altered("operations", 10, outcome="failed")),
    ("changes", "was made 2 times", with_more("changes", AGAIN)),
    ("changes", "its agent saw", altered("operations", 10, seen_tags=("older",))),
    ("positions", "went back from 9 to 4", given(set_back=[SetBack("router", "chat.events.v1", 0, 9, 4)])),
    ("positions", "after the end", given(positions={("router", "chat.events.v1", 0): 6})),
    ("dead letters", "refused it", with_more("dead_letters", DeadLetter("router", "chat.events.v1", 0, 3))),
    ("dead letters", "dead-lettered it 2 times", with_more("dead_letters", DeadLetter("notifier", *POISON))),
    ("dead letters", "did not dead-letter this poison", without("dead_letters", 0)),
    ("dead letters", "no dead letter keeps it", without("dead_letters", 1)),
    ("secrecy", "line 3 tells a text", given(told=[Told("log", "router-0.log", 3, "a text", "payment lesson m7")])),
    ("secrecy", "there to be searched", given(searched={**dict.fromkeys(WRITTEN, 100), "span": 0})),
    ("rest", "did not come to rest", given(under_way="3 deliveries")),
    ("rest", "was not recovered from", altered("troubles", 0, seconds=None)),
]  # fmt: skip


def test_a_sound_history_has_no_violation() -> None:
    assert violations(sound()) == []


@pytest.mark.parametrize(("rule", "words", "change"), FAULTS, ids=[f"{rule}: {words}" for rule, words, _ in FAULTS])
def test_a_fault_is_seen(rule: str, words: str, change: Change_) -> None:
    found = list(RULES[rule](change(sound())))
    assert any(words in one.text for one in found), found


def test_every_rule_is_seen_to_fail() -> None:
    assert {rule for rule, _, _ in FAULTS} == set(RULES)


def test_a_violation_shows_the_history_of_its_message() -> None:
    (violation,) = [one for one in violations(without("messages", 2)(sound())) if one.rule == "messages"]
    assert violation.subject == M3
    assert any("act 5, post" in line for line in violation.history)
    assert any("ticket.events T2:1" in line for line in violation.history)


@pytest.mark.parametrize(
    "change",
    [
        altered("operations", 2, outcome="unknown"),
        both(altered("messages", 0, text="one m0"), altered("operations", 2, outcome="unknown")),
        both(without("messages", 2), given(given_up=frozenset({M3}))),
        both(without("changes", 5), altered("operations", 10, outcome="unknown")),
        with_more("events", Event(M1, "okno.chat.message_posted.v1", C, 0, 9, M1, "one m0")),
        lambda facts: replace(facts, posts=facts.posts[:2]),
        given(troubles=[Trouble(("platform telegram 5xx",), 105.0, 112.0, 0.5)]),
        given(leased=(), troubles=[*sound().troubles, Trouble(("kill kafka",), 90.0, 100.0, 1.0)]),
    ],
    ids=[
        "edit may have come",
        "or not",
        "given up",
        "change may be missing",
        "published twice",
        "unknown not posted",
        "unknown after a 5xx",
        "published again after Kafka was away",
    ],
)
def test_what_nobody_promised_is_no_violation(change: Change_) -> None:
    broken = [one for one in violations(change(sound())) if one.rule != "versions"]
    assert broken == []


def test_a_reader_of_every_poisoned_topic_is_known() -> None:
    from chaos.nemesis_plan import POISONED

    assert set(POISONED) <= {topic for topics in READERS.values() for topic in topics}
