"""The short run of every check: the kept inputs, some thousand hostile changes of them, and time against size."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.notifier.slack import render as to_slack
from services.notifier.telegram import render as to_telegram
from tests.fuzz.corpus import seeds
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import TARGETS, reply, slack_payload, slack_text, telegram_update

SHORT = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
TREES = ("slack_payload", "telegram_update", "record")


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_kept_is_taken(target: str) -> None:
    assert seeds(target)
    for data in seeds(target):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TREES)
@SHORT
@given(data=st.data())
def test_changed_json_breaks_nothing(target: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(seeds(target)))
    random = data.draw(st.randoms(use_true_random=False))
    TARGETS[target](changed(seed, random, times=data.draw(st.integers(1, 4)), prefix=1 if target == "record" else 0))


def changed(seed: bytes, random: Random, *, times: int, prefix: int) -> bytes:
    tree = json.loads(seed[prefix:])
    for _ in range(times):
        tree = mutate(tree, random)
    return seed[:prefix] + json.dumps(tree).encode()


@pytest.mark.parametrize("target", TARGETS)
@SHORT
@given(data=st.binary(max_size=2000) | st.text(max_size=2000).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_break_nothing(target: str, data: bytes) -> None:
    TARGETS[target](data)


def slack_post(**fields: object) -> bytes:
    event = {"type": "message", "user": "U1", "text": "x", "ts": "10.000100", "channel": "C1", **fields}
    return json.dumps({"type": "event_callback", "team_id": "T1", "event": event}).encode()


def telegram_post(**fields: object) -> bytes:
    message = {"message_id": 5, "date": 1700000000, "chat": {"id": 1, "type": "private"}, "from": {"id": 1}, **fields}
    return json.dumps({"update_id": 1, "message": message}).encode()


def telegram_reactions(count: int) -> bytes:
    old = [{"type": "emoji", "emoji": str(number)} for number in range(count)]
    body = {"chat": {"id": 1, "type": "private"}, "user": {"id": 1}, "message_id": 1, "date": 1, "old_reaction": old}
    return json.dumps({"update_id": 1, "message_reaction": {**body, "new_reaction": []}}).encode()


def entities(count: int) -> list[dict[str, object]]:
    return [{"type": "mention", "offset": 0, "length": count * 10}] * count


def fresh_reply(text: bytes) -> None:
    to_slack._rendered.cache_clear()
    to_telegram._rendered.cache_clear()
    reply(text)


GROWING: dict[str, tuple[Callable[[bytes], None], Callable[[int], bytes]]] = {
    "slack: long text": (slack_payload, lambda n: slack_post(text="<@U1> & <" * n)),
    "slack: many files": (slack_payload, lambda n: slack_post(files=[{"id": str(one)} for one in range(n)])),
    "slack: many arrays": (slack_payload, lambda n: slack_post(blocks=[[]] * n * 100)),
    "slack: NULs": (slack_payload, lambda n: slack_post(text="\0" * n, blocks=["\0"] * n)),
    "slack: control sequences": (slack_text, lambda n: b"<" * n + b"<a|" * n + b">" * n),
    "telegram: overlapping entities": (
        telegram_update,
        lambda n: telegram_post(text="x" * n * 10, entities=entities(n)),
    ),
    "telegram: many reactions": (telegram_update, telegram_reactions),
    "telegram: many arrays": (telegram_update, lambda n: telegram_post(text="x", photo=[{"file_id": "f"}] * n)),
    "reply: nested emphasis": (fresh_reply, lambda n: b"*a **a " * n + b"a** a*" * n),
    "reply: open emphasis": (fresh_reply, lambda n: b"*_~~a" * n),
    "reply: brackets": (fresh_reply, lambda n: b"[a](" * n + b"![" * n + b"]" * n),
    "reply: backticks": (fresh_reply, lambda n: b"".join(b"e" + b"`" * one for one in range(int((8 * n) ** 0.5)))),
    "reply: quotes": (fresh_reply, lambda n: b">" * n + b"\n> a\n" * n),
    "reply: lists": (fresh_reply, lambda n: b"* a\n1. b\n" * n),
    "reply: references": (fresh_reply, lambda n: b"[a]: b\n\n" + b"[a]" * n * 5),
    "reply: white space": (fresh_reply, lambda n: b"a  \n" * n * 4 + b"\n" * n + b" " * n + b"a"),
}
SMALL, LARGE = 1000, 4000
RATIO = 12.0
"""Four times the input may take twelve times: linear is four, quadratic sixteen, and caches take their part."""


def seconds(target: Callable[[bytes], None], data: bytes) -> float:
    """CPU seconds of a call, the least of three. What is in memory already is no garbage of the call's: looking through
    the objects of thousands of tests takes seconds.
    """
    spent = []
    gc.freeze()
    for _ in range(3):
        began = time.thread_time()
        target(data)
        spent.append(time.thread_time() - began)
    gc.unfreeze()
    return min(spent)


def peak(target: Callable[[bytes], None], data: bytes) -> int:
    """Most bytes allocated during one call."""
    tracemalloc.start()
    target(data)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("name", GROWING)
def test_time_grows_no_faster_than_the_input(name: str) -> None:
    target, make = GROWING[name]
    target(make(10))  # what is made on first use is no part of it
    assert seconds(target, make(LARGE)) <= RATIO * max(seconds(target, make(SMALL)), 0.01)


@pytest.mark.parametrize("name", [name for name, (target, _) in GROWING.items() if target is not fresh_reply])
def test_memory_grows_no_faster_than_the_input(name: str) -> None:
    """Of replies the marks of a run are bounded (see the tests of the renderers); tracing all of one takes too long."""
    target, make = GROWING[name]
    target(make(10))
    assert peak(target, make(LARGE)) <= RATIO * max(peak(target, make(SMALL)), 100_000)
