"""`okno dead-letters`: one letter by its id, or many only when that is said."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import dead_letters
from cli.commands import app

run = CliRunner()
Calls = list[tuple[str, str, Any]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the API was asked."""
    made: Calls = []

    def call(method: str, path: str, **arguments: Any) -> Any:
        made.append((method, path, arguments.get("json")))
        return {"settled": 3, "left": 1}

    monkeypatch.setattr(dead_letters, "call", call)
    return made


def test_one_letter_is_replayed_or_discarded_by_its_id(calls: Calls) -> None:
    assert run.invoke(app, ["dead-letters", "replay", "7", "--force"]).exit_code == 0
    assert run.invoke(app, ["dead-letters", "discard", "8", "--reason", "a test"]).exit_code == 0
    assert calls == [
        ("POST", "/dead-letters/7/replay", {"original": False, "force": True}),
        ("POST", "/dead-letters/8/discard", {"reason": "a test"}),
    ]


def test_many_are_meant_only_with_all(calls: Calls) -> None:
    for arguments in (["replay"], ["replay", "7", "--all"], ["discard", "--reason", "x", "--cause", "bad_value"]):
        said = run.invoke(app, ["dead-letters", *arguments])
        assert (said.exit_code, "Give a dead letter's id, or --all" in said.output) == (1, True)
    assert calls == []
    said = run.invoke(app, ["dead-letters", "replay", "--all", "--key", "slack:C1", "--limit", "5"])
    assert "3 are published again, 1 that match still wait." in said.output
    assert calls == [("POST", "/dead-letters/replay", {"key": "slack:C1", "limit": 5, "force": False})]


def test_a_correction_is_read_from_a_file(calls: Calls, tmp_path: Path) -> None:
    file = tmp_path / "value.json"
    file.write_text("{")
    assert "is not JSON" in run.invoke(app, ["dead-letters", "edit", "7", str(file)]).output
    file.write_text('{"text": "better"}')
    assert run.invoke(app, ["dead-letters", "edit", "7", str(file)]).exit_code == 0
    assert calls == [("PUT", "/dead-letters/7/value", {"value": {"text": "better"}})]


def test_a_schema_that_is_not_there_is_named() -> None:
    for command in ("allow", "release"):
        said = run.invoke(app, ["dead-letters", command, "nowhere", "router"])
        assert (said.exit_code, "There is no schema 'nowhere'" in said.output) == (1, True)
