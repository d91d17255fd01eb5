from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cli import doctor


@pytest.mark.parametrize(("check", "platform"), [(doctor._slack, "SLACK"), (doctor._telegram, "TELEGRAM")])
def test_a_platform_out_of_reach_is_not_blamed_on_the_token(
    check: Callable[[], Coroutine[Any, Any, list[doctor.Finding]]], platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{platform}_BOT_TOKEN", "7700:hidden")
    monkeypatch.setenv(f"{platform}_API_URL", "http://127.0.0.1:1/")
    (finding,) = asyncio.run(check())
    assert not finding.ok
    assert finding.text == "nothing readable from 127.0.0.1 (ConnectError)"
    assert f"{platform}_API_URL" in finding.hint
