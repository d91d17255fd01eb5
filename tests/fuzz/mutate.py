"""Hostile changes to a JSON tree: a value of it is replaced, removed, doubled or nested by what breaks readers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

LONG = 40_000
HOSTILE: tuple[Callable[[], Any], ...] = (
    lambda: None, lambda: True, lambda: 0, lambda: -1, lambda: 2**31, lambda: 2**63, lambda: -(2**64), lambda: 10**400,
    lambda: 1e308, lambda: 0.1, lambda: "", lambda: "\0", lambda: "a\0b", lambda: "\ud83d", lambda: "\ude00x",
    lambda: "\u202eabc\u2066", lambda: "\x1b[2J\r\n", lambda: "\U0001f600" * 9, lambda: "x" * LONG, lambda: "<@U1>",
    lambda: "1e999", lambda: "9" * 5000, lambda: "-1.5", lambda: "\u0663\u0664", lambda: "1.\u00b2", lambda: "None",
    list, dict, lambda: [[]] * 1000, lambda: {"type": "x"}, lambda: {"id": {}}, lambda: _nested(300),
)  # fmt: skip


def _nested(depth: int) -> Any:
    tree: Any = 1
    for _ in range(depth):
        tree = {"a": [tree]}
    return tree


def mutate(tree: Any, random: Random) -> Any:
    """A copy of a tree with one change somewhere."""
    if isinstance(tree, dict) and tree and random.random() < 0.9:
        name = random.choice(list(tree))
        change = random.random()
        if change < 0.1:
            return {key: value for key, value in tree.items() if key != name}
        if change < 0.15:
            return {**tree, str(random.choice(HOSTILE)())[:50]: tree[name]}
        if change < 0.2:
            return {**tree, name: tree[random.choice(list(tree))]}
        return {**tree, name: mutate(tree[name], random)}
    if isinstance(tree, list) and tree and random.random() < 0.9:
        index = random.randrange(len(tree))
        if random.random() < 0.2:
            return tree * 3
        return [*tree[:index], mutate(tree[index], random), *tree[index + 1 :]]
    if isinstance(tree, str) and random.random() < 0.3:
        odd = random.choice(HOSTILE)()
        return tree + odd if isinstance(odd, str) else tree[: len(tree) // 2]
    return random.choice(HOSTILE)()
