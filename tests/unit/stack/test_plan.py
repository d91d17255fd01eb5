"""Which processes a stack has, and with which settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.stack import platforms
from sandbox.stack.options import StackOptions, Ways
from sandbox.stack.plan import Addresses, Plan, common_environment, environment, processes

ADDRESSES = Addresses("postgresql://okno@127.0.0.1/okno", "127.0.0.1:9092")


def plan(options: StackOptions | None = None, environ: dict[str, str] | None = None) -> Plan:
    given = environ or {}
    chosen = options or StackOptions(stable_ports=False)
    planned = processes(chosen)
    url = planned["sandbox"].http_url
    return Plan(
        chosen, ADDRESSES, platforms.slack(url, given), platforms.telegram(url, given), planned, "okno_admin-token"
    )


def settings(of: str, chosen: Plan, environ: dict[str, str] | None = None) -> dict[str, str]:
    return environment(chosen, chosen.processes[of], environ or {})


def test_replicas_are_numbered_and_every_process_has_ports_of_its_own() -> None:
    planned = processes(StackOptions(routers=2, ticketing_workers=3, notifiers=2, stable_ports=False))
    assert {name for name in planned if name[-1].isdigit()} == {
        *("router-0", "router-1"),
        *("ticketing-worker-0", "ticketing-worker-1", "ticketing-worker-2"),
        *("notifier-0", "notifier-1"),
    }
    ports = [process.probe_port for process in planned.values()]
    ports += [process.http_port for process in planned.values() if process.http_port is not None]
    assert len(set(ports)) == len(ports)


def test_every_process_has_its_name_probes_pid_file_and_the_two_addresses() -> None:
    chosen = plan(StackOptions(routers=2, stable_ports=False))
    env = settings("router-1", chosen)
    assert env["PROCESS_NAME"] == "router-1"
    assert env["PROBE_PORT"] == str(chosen.processes["router-1"].probe_port)
    assert env["PID_FILE"].endswith("/run/router-1.pid")
    assert (env["DATABASE_URL"], env["KAFKA_BOOTSTRAP_SERVERS"]) == (
        ADDRESSES.database_url,
        ADDRESSES.kafka_bootstrap_servers,
    )
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"{chosen.sandbox_url}/otlp"


def test_a_process_gets_only_the_secrets_it_needs() -> None:
    chosen = plan()
    holders = {
        secret: {name for name in chosen.processes if secret in settings(name, chosen)}
        for secret in (
            "SLACK_SIGNING_SECRET",
            "SLACK_BOT_TOKEN",
            "TELEGRAM_BOT_TOKEN",
            "TELEGRAM_SECRET_TOKEN",
            "TICKETING_API_TOKEN",
        )
    }
    assert holders == {
        "SLACK_SIGNING_SECRET": {"ingest-slack"},
        "SLACK_BOT_TOKEN": {"ingest-worker", "notifier-0"},
        "TELEGRAM_BOT_TOKEN": {"ingest-telegram", "ingest-worker", "notifier-0"},
        "TELEGRAM_SECRET_TOKEN": {"ingest-telegram", "sandbox"},
        "TICKETING_API_TOKEN": {"sandbox"},
    }


def test_services_and_sandbox_agree_where_they_find_each_other() -> None:
    chosen = plan()
    sandbox, telegram = settings("sandbox", chosen), settings("ingest-telegram", chosen)
    slack = chosen.processes["ingest-slack"]
    assert sandbox["SLACK_EVENTS_URL"] == f"http://127.0.0.1:{slack.http_port}/slack/events"
    assert settings("ingest-slack", chosen)["HTTP_PORT"] == str(slack.http_port)
    assert telegram["TELEGRAM_WEBHOOK_URL"] == f"http://127.0.0.1:{telegram['HTTP_PORT']}/telegram/7700"
    assert settings("notifier-0", chosen)["SLACK_API_URL"] == f"{chosen.sandbox_url}/slack/api/"
    assert telegram["TELEGRAM_API_URL"] == f"{chosen.sandbox_url}/telegram"


def test_another_platform_server_brings_its_own_secrets() -> None:
    given = {
        "SLACK_API_URL": "http://127.0.0.1:5000/api",
        "SLACK_SIGNING_SECRET": "theirs",
        "TELEGRAM_API_URL": "http://127.0.0.1:5001/",
        "TELEGRAM_BOT_TOKEN": "42:abc",
    }
    chosen = plan(environ=given)
    assert (chosen.slack.api_url, chosen.slack.signing_secret) == ("http://127.0.0.1:5000/api/", "theirs")
    assert chosen.slack.bot_token == platforms.slack("http://x", {}).bot_token
    assert chosen.telegram.api_url == "http://127.0.0.1:5001"
    assert chosen.webhook_url.endswith("/telegram/42")


def test_a_persons_real_tokens_never_reach_the_simulated_platforms() -> None:
    mine = {"SLACK_BOT_TOKEN": "xoxb-mine", "SLACK_SIGNING_SECRET": "mine", "TELEGRAM_BOT_TOKEN": "1:mine"}
    chosen = plan(environ=mine)
    shown = {value for name in chosen.processes for value in settings(name, chosen, mine).values()}
    assert not shown & set(mine.values())


def test_polling_leaves_no_webhook_in_the_simulated_telegram() -> None:
    polling = plan(StackOptions(telegram_transport="polling", stable_ports=False))
    assert "TELEGRAM_WEBHOOK_URL" not in settings("sandbox", polling)
    assert settings("ingest-telegram", polling)["TELEGRAM_TRANSPORT"] == "polling"


def test_the_environment_of_the_person_is_not_handed_on_but_settings_of_okno_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_SECRET", "1")
    env = common_environment(ADDRESSES, {"LOG_LEVEL": "DEBUG", "TICKETING_WORKERS": "2", "MY_SECRET": "1"})
    assert env["LOG_LEVEL"] == "DEBUG"
    assert "MY_SECRET" not in env
    assert "TICKETING_WORKERS" not in env


def test_fault_points_have_a_folder_to_report_to() -> None:
    chosen = plan()
    assert "FAULT_DIRECTORY" not in settings("router-0", chosen)
    env = settings("router-0", chosen, {"FAULT_POINTS": "router.committed=kill"})
    assert env["FAULT_DIRECTORY"] == str(chosen.options.state / "faults")


def test_extra_settings_of_a_process_win_over_those_of_its_kind() -> None:
    extra = {"router": {"LOG_LEVEL": "DEBUG", "A": "kind"}, "router-1": {"A": "name"}}
    chosen = plan(replace(StackOptions(stable_ports=False), routers=2, extra_env=extra))
    assert (settings("router-0", chosen)["A"], settings("router-1", chosen)["A"]) == ("kind", "name")
    assert settings("router-1", chosen)["LOG_LEVEL"] == "DEBUG"
    assert "A" not in settings("notifier-0", chosen)


def test_two_ingests_of_a_platform_stand_behind_a_door() -> None:
    chosen = plan(
        StackOptions(
            ingests=2,
            stable_ports=False,
            http_ports={"ingest-slack-1": 4001},
            doors={"ingest-slack": 5001, "ingest-telegram": 5002, "ticketing-api": 5003},
        )
    )
    assert {name for name in chosen.processes if name.startswith("ingest-")} == {
        *("ingest-slack-0", "ingest-slack-1", "ingest-telegram-0", "ingest-telegram-1", "ingest-worker"),
    }
    assert settings("ingest-slack-1", chosen)["HTTP_PORT"] == "4001"
    assert settings("sandbox", chosen)["SLACK_EVENTS_URL"] == "http://127.0.0.1:5001/slack/events"
    for one in ("ingest-telegram-0", "ingest-telegram-1", "sandbox"):
        assert settings(one, chosen)["TELEGRAM_WEBHOOK_URL"].startswith("http://127.0.0.1:5002/telegram/")
    assert settings("sandbox", chosen)["TICKETING_API_URL"] == "http://127.0.0.1:5003"


def test_a_process_calls_out_by_its_ways_and_others_directly() -> None:
    chosen = plan(StackOptions(stable_ports=False, ways={"notifier-0": Ways(6001, 6002, 6003, 6004)}))
    env = settings("notifier-0", chosen)
    assert env["DATABASE_URL"] == "postgresql://okno@127.0.0.1:6001/okno"
    assert env["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:6002"
    assert env["SLACK_API_URL"] == "http://127.0.0.1:6004/slack/api/"
    assert env["TELEGRAM_API_URL"] == "http://127.0.0.1:6004/telegram"
    assert settings("router-0", chosen)["DATABASE_URL"] == ADDRESSES.database_url
