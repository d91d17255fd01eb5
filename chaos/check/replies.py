"""Every accepted reply is in its chat exactly once, as its ticket shows it, or its delivery says why it isn't.

`unknown` is for Telegram, where a response may have been lost or a sender stopped, after a fault that can do that; in
Slack and as `failed` for threads whose message is gone. A key never acted twice; what was refused is nowhere.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.check.violation import Violation, of_reply
from chaos.facts import Facts, Message, Operation, Post

RULE = "replies"
_TOKEN = re.compile(r"\ba\d+\b")
_DOUBTFUL = ("telegram answer lost", "telegram 5xx", "telegram slow", "notifier-", "postgres", "kafka")
"""Faults after which nobody may know whether Telegram has a message."""
AFTERWARDS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Known:
    rows: Mapping[str, Sequence[Message]]
    posts: Mapping[str, Sequence[Post]]
    changes: Mapping[str, Sequence[Operation]]
    deleted: frozenset[str]


def token_of(text: str) -> str:
    """What tells a reply from all others; empty where there is none."""
    found = _TOKEN.findall(text)
    return found[-1] if found else ""


def check(facts: Facts) -> Iterator[Violation]:
    known = _known(facts)
    for answer in facts.operations:
        if answer.kind != "answer":
            continue
        token = token_of(answer.text)
        rows = known.rows.get(token, ())
        for text in _problems(facts, known, answer, rows, known.posts.get(token, ())):
            reply = rows[0].id if rows else ""
            yield Violation(RULE, reply or token, text, of_reply(facts, reply, token))
    tokens = {token_of(one.text) for one in facts.operations if one.kind == "answer"}
    for token, posts in known.posts.items():
        if token not in tokens:
            yield Violation(RULE, token, f"nobody wrote what {posts[0].key} says", of_reply(facts, "", token))


def _known(facts: Facts) -> _Known:
    rows: dict[str, list[Message]] = defaultdict(list)
    for row in facts.messages:
        if row.kind == "reply":
            rows[token_of(row.text)].append(row)
    posts: dict[str, list[Post]] = defaultdict(list)
    for post in facts.posts:
        if post.ours and not post.deleted and (token := token_of(post.text)):
            posts[token].append(post)
    changes: dict[str, list[Operation]] = defaultdict(list)
    for one in facts.operations:
        if one.kind in {"edit_answer", "delete_answer"} and one.possible:
            for reply in one.replies:
                changes[reply].append(one)
    deleted = frozenset(one.message for one in facts.operations if one.kind == "delete" and one.message is not None)
    return _Known(rows, posts, changes, deleted)


def _problems(
    facts: Facts, known: _Known, answer: Operation, rows: Sequence[Message], posts: Sequence[Post]
) -> Iterator[str]:
    if len(answer.replies) > 1:
        yield f"one Idempotency-Key got the replies {', '.join(answer.replies)}"
    if len(rows) > 1:
        yield f"one Idempotency-Key made {len(rows)} replies"
    if answer.outcome == "failed" and rows:
        yield "it was refused, and is there"
    if not rows:
        if answer.done:
            yield "it was acknowledged, and isn't there"
        if posts:
            yield "it is in the chat, but in no ticket"
        return
    row = rows[0]
    if answer.done and row.id not in answer.replies:
        yield f"the API called it {answer.replies}, and it is {row.id}"
    yield from _content(answer, known.changes.get(row.id, ()), row)
    yield from _delivery(facts, known, row, posts)


def _content(answer: Operation, changes: Sequence[Operation], row: Message) -> Iterator[str]:
    allowed = {answer.text}
    for one in changes:
        if one.kind == "edit_answer":
            allowed = {one.text} if one.done else allowed | {one.text}
    deletions = [one for one in changes if one.kind == "delete_answer"]
    if row.text not in allowed:
        yield f"its text is {row.text!r}, not {' or '.join(map(repr, sorted(allowed)))}"
    if row.deleted and not deletions:
        yield "it is deleted, but nobody deleted it"
    if not row.deleted and any(one.done for one in deletions):
        yield "its deletion was acknowledged, and it isn't deleted"


def _delivery(facts: Facts, known: _Known, row: Message, posts: Sequence[Post]) -> Iterator[str]:
    copies = len(posts)
    if copies > 1:
        yield f"it is in the chat {copies} times"
    match row.state:
        case "sent":
            yield from _sent(row, posts)
        case "cancelled":
            stale = row.kind == "automatic" and row.code == "stale"
            if not row.deleted and not stale:
                yield "its delivery says cancelled, but nobody withdrew it"
        case "failed":
            if not _root_is_gone(facts, known, row):
                yield f"its delivery says failed ({row.code}), and its thread is there"
        case "unknown" if not _root_is_gone(facts, known, row):
            yield from _unknown(facts, row)
        case "unknown":  # nor can a thread be read whose root is gone
            pass
        case _:
            yield f"its delivery is {row.state} at the end"
    if row.state in {"cancelled", "failed"} and copies:
        yield f"its delivery says {row.state}, but it is in the chat"


def _sent(row: Message, posts: Sequence[Post]) -> Iterator[str]:
    if row.deleted:
        if row.operation_state == "sent" and posts:
            yield "its delivery says that it was deleted, but it is in the chat"
        return
    if not posts:
        yield "its delivery says sent, but it isn't in the chat"
    for post in posts[:1]:
        if row.operation_state == "sent" and post.text != row.text:
            yield f"the chat shows {post.text!r} instead of {row.text!r}"
        if post.key not in row.keys:
            yield f"it is the message {post.key}, but its delivery says {row.keys}"


def _unknown(facts: Facts, row: Message) -> Iterator[str]:
    (channel, *_) = [one.channel for one in facts.operations if row.id in one.replies] or [""]
    if not channel.startswith("telegram:"):
        yield "its delivery is unknown, and Slack can be asked"
        return
    asked = [one for one in facts.operations if row.id in one.replies and one.kind == "answer"]
    for one in asked:
        times = [(trouble.began, trouble.ended) for trouble in facts.troubles if _may_leave_doubt(trouble.faults)]
        if not any(began <= one.ended_at + AFTERWARDS_SECONDS and one.asked_at <= ended + AFTERWARDS_SECONDS
                   for began, ended in times):  # fmt: skip
            yield "its delivery is unknown, and nothing had cut a response or stopped a sender"


def _may_leave_doubt(faults: Sequence[str]) -> bool:
    return any(doubtful in fault for fault in faults for doubtful in _DOUBTFUL)


def _root_is_gone(facts: Facts, known: _Known, row: Message) -> bool:
    """Whether a message of the ticket was deleted in the chat: Slack refuses a thread whose root is gone."""
    return any(one.ticket == row.ticket and one.id in known.deleted for one in facts.messages)
