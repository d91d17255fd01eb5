"""Commands fail with a sentence that says what is wrong and what to do; the list of processes is whole."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis.settings import ProcessSettings
from cli import backfill, environment
from cli.commands import app
from cli.processes import KINDS, SERVICES, migration_folders

run = CliRunner()


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No stack is up and nothing is set."""
    monkeypatch.setattr(environment, "STACK_FILE", tmp_path / "stack.json")
    for name in ("OKNO_API_URL", "OKNO_API_TOKEN", "DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["tickets", "list"], "OKNO_API_TOKEN"),
        (["migrate"], "DATABASE_URL"),
        (["topics", "check"], "KAFKA_BOOTSTRAP_SERVERS"),
        (["tokens", "list"], "DATABASE_URL"),
        (["backfill", "slack"], "KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_what_is_not_set_is_named_with_what_to_do(arguments: list[str], variable: str) -> None:
    said = run.invoke(app, arguments)
    assert said.exit_code == 1
    assert f"{variable} is not set and no stack is up." in said.output
    assert "make up" in said.output


def test_a_file_that_is_no_policy_is_told_each_fault(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("answers: [{name: Prices, text: x, words: [a]}, {name: y, text: z}]\n")
    said = run.invoke(app, ["policy", "check", str(file)])
    assert said.exit_code == 1
    assert "answers.0.name" in said.output
    assert "answer 'y' never fires" in said.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", datetime(2026, 5, 21, 14, 30, tzinfo=UTC)),
        ("2026-05-20T15:00", datetime(2026, 5, 20, 15, tzinfo=UTC)),
        ("2026-05-20T15:00+02:00", datetime(2026, 5, 20, 13, tzinfo=UTC)),
    ],
)
def test_a_time_is_written_as_such_or_as_how_long_ago(text: str, expected: datetime) -> None:
    assert backfill.moment(text, datetime(2026, 5, 21, 16, tzinfo=UTC)) == expected


@pytest.mark.parametrize(("since", "said"), [("yesterday", "is no time"), ("2999-01-01", "yet to come")])
def test_a_time_that_is_none_or_not_yet_is_refused(since: str, said: str) -> None:
    result = run.invoke(app, ["backfill", "slack", "--since", since])
    assert (result.exit_code, said in result.output) == (1, True)


def test_control_characters_in_a_policy_are_told_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(r'defaults: {tags: [vip, "a\x1fb"]}')
    said = run.invoke(app, ["policy", "check", str(file)])
    assert said.exit_code == 1
    assert "defaults.tags.1: must not contain control characters; it has U+001F" in said.output


def test_a_duration_without_measure_in_a_policy_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("overrides: [{match: {platform: slack}, reopen_within: 9999999999d}]")
    said = run.invoke(app, ["policy", "check", str(file)])
    assert said.exit_code == 1
    assert "overrides.0.reopen_within: is too long for a duration; the longest is 999999999d" in said.output


def test_a_token_s_name_is_one_line() -> None:
    said = run.invoke(app, ["tokens", "create", "night\nshift"])
    assert said.exit_code == 1
    assert "must not contain control characters" in said.output


def test_a_policy_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("answers: [{name: prices, text: x, words: [a]}]\n")
    assert "0 overrides, 1 automatic answers" in run.invoke(app, ["policy", "check", str(file)]).output


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = run.invoke(app, ["policy", "check", str(tmp_path / "none.yaml")])
    assert (said.exit_code, "can't be read" in said.output) == (1, True)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_process_has_a_bootstrap_with_settings(kind: str) -> None:
    assert issubclass(KINDS[kind].settings_class(), ProcessSettings)


@pytest.mark.parametrize("service", SERVICES)
def test_every_schema_has_migrations(service: str) -> None:
    for _, folder in migration_folders(service):
        assert sorted(folder.glob("*.sql"))
