"""A refused start names every wrong setting once, with an example, and never shows a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr

from chassis.settings import (
    DatabaseSettings,
    HttpSettings,
    KafkaSettings,
    ProcessSettings,
    Settings,
    SettingsRefused,
    load,
    read,
)


class Example(ProcessSettings, KafkaSettings, DatabaseSettings):
    router_mode: Literal["decide", "observe"] = Field("decide", description="Mode.", examples=["observe"])
    slack_signing_secret: SecretStr = Field(min_length=8, description="Slack's.", examples=["8f742231b10e8888"])
    allowed: list[int] = Field(default=[], description="Numbers.", examples=["[1,2]"])


GOOD = {
    "DATABASE_URL": "postgresql://okno:hunter2@db:5432/okno",
    "KAFKA_BOOTSTRAP_SERVERS": "one:9092, two:9092",
    "SLACK_SIGNING_SECRET": "correct horse",
}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsRefused) as refused:
        read(Example, environ)
    return str(refused.value)


def test_names_without_prefix_are_read_and_defaults_fill_the_rest() -> None:
    settings = read(Example, GOOD | {"PROBE_PORT": "0", "LOG_LEVEL": "debug", "PROCESS_NAME": "router-0"})
    assert settings.database_url.get_secret_value() == GOOD["DATABASE_URL"]
    assert settings.kafka_bootstrap_servers == "one:9092,two:9092"
    assert (settings.probe_port, settings.log_level, settings.process_name) == (0, "DEBUG", "router-0")
    assert (settings.drain_seconds, settings.trace_sample_ratio, settings.router_mode) == (20, 0.1, "decide")


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    assert load(Example).kafka_bootstrap_servers == "one:9092,two:9092"


def test_given_environment_replaces_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/okno")
    assert "DATABASE_URL is missing" in refusal({name: GOOD[name] for name in GOOD if name != "DATABASE_URL"})


def test_a_dotenv_file_in_the_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("HTTP_PORT=1\n")
    monkeypatch.chdir(tmp_path)
    assert read(HttpSettings, {}).http_port == 8080


def test_one_message_names_everything_missing_with_an_example() -> None:
    message = refusal({})
    assert "3 settings are wrong" in message
    for name in GOOD:
        assert message.count(f"{name} is missing") == 1
        assert f"Example: {name}=" in message


def test_an_empty_variable_counts_as_missing() -> None:
    assert "SLACK_SIGNING_SECRET is missing" in refusal(GOOD | {"SLACK_SIGNING_SECRET": ""})


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PROBE_PORT", "abc", "PROBE_PORT must be a valid integer"),
        ("PROBE_PORT", "70000", "PROBE_PORT must be less than or equal to 65535 (it is '70000')"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("ROUTER_MODE", "guess", "ROUTER_MODE must be 'decide' or 'observe' (it is 'guess')"),
        ("TRACE_SAMPLE_RATIO", "2", "TRACE_SAMPLE_RATIO must be less than or equal to 1"),
        ("PROCESS_NAME", "Router 0", "PROCESS_NAME must match pattern"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL that starts with"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka", "KAFKA_BOOTSTRAP_SERVERS must list host:port, separated by commas"),
        ("KAFKA_SSL_CAFILE", "/not/there.pem", "KAFKA_SSL_CAFILE names a file that isn't there (/not/there.pem)"),
        ("KAFKA_SSL_KEYFILE", "/not/there.key", "KAFKA_SSL_KEYFILE names a file that isn't there (/not/there.key)"),
        ("KAFKA_SSL_CERTFILE", __file__, "KAFKA_SSL_KEYFILE is missing, a client certificate is a pair of files"),
        ("KAFKA_SSL_KEYFILE", __file__, "KAFKA_SSL_CERTFILE is missing, a client certificate is a pair of files"),
        ("FAULT_POINTS", "x=kill", "FAULT_DIRECTORY is missing, FAULT_POINTS needs it"),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "KAFKA_SASL_PASSWORD is missing, KAFKA_SECURITY_PROTOCOL=SASL_SSL"),
        ("ALLOWED", "one", "ALLOWED is not valid JSON"),
    ],
)
def test_a_wrong_value_is_named_with_its_reason_and_an_example(name: str, value: str, reason: str) -> None:
    message = refusal(GOOD | {name: value})
    assert reason in message
    assert f"Example: {reason.split(maxsplit=1)[0]}=" in message


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DATABASE_URL", "mysql://okno:hunter2@db/okno", "hunter2"),
        ("DATABASE_URL", "postgresql://okno:hunter2@[db/okno", "hunter2"),
        ("SLACK_SIGNING_SECRET", "short", "short"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://okno:hunter2@collector", "hunter2"),
    ],
)
def test_secrets_are_never_shown(name: str, value: str, secret: str) -> None:
    message = refusal(GOOD | {name: value})
    assert f"{name} " in message
    assert secret not in message
    assert "hunter2" not in repr(read(Example, GOOD))


def test_load_ends_the_process_with_code_2_and_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(Example, {})
    assert ended.value.code == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("Okno can't start") == 1


def groups(cls: type[Settings] = Settings) -> list[type[Settings]]:
    found = [cls]
    for sub in cls.__subclasses__():
        found += groups(sub)
    return [group for group in found if group.__module__.startswith("chassis.")]


def test_every_setting_of_the_chassis_is_described_exemplified_and_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    names = set()
    for group in groups():
        for name, field in group.model_fields.items():
            names.add(name.upper())
            assert field.description, name
            assert field.examples, name
            assert f"`{name.upper()}`" in page, f"{name.upper()} is missing in docs/configuration.md"
    assert {"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "PROBE_PORT", "HTTP_PORT"} <= names
