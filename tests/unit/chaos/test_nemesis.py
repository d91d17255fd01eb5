"""A round is over only when people can work again, not when processes merely say that they are ready."""

from __future__ import annotations

from typing import Any

import pytest

from chaos import nemesis
from chaos.hands import Answer
from chaos.nemesis import Nemesis
from sandbox.stack.inside.backlog import Backlog


class Healthy(Nemesis):
    """Of a stack whose processes are all ready and where nothing is under way; `answers` are the API's, in turn."""

    def __init__(self, answers: list[int], patience: float) -> None:
        self.answers = answers
        self._hands: Any = self
        self._stack: Any = self
        self._records: Any = self
        self._patience = patience

    async def under_way(self) -> Backlog:
        return Backlog({}, {}, 0, 0)

    async def ready(self, _: str) -> bool:
        return True

    def write(self, *_: object, **__: object) -> None:
        pass

    async def api(self, method: str, path: str, body: Any) -> Answer:
        del method, path, body
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Answer("failed" if status < 500 else "unknown", status)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nemesis, "LOOK_SECONDS", 0.0)


async def test_a_round_lasts_until_the_api_takes_changes() -> None:
    healthy = Healthy([503, 0, 404], patience=3600)
    assert await healthy.recovered() is not None
    assert healthy.answers == [404]


async def test_an_api_that_refuses_changes_for_good_is_no_recovery() -> None:
    assert await Healthy([503], patience=0.05).recovered() is None
