from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.processes import KINDS
from sandbox.container import strangers
from sandbox.slack.identity import Identity
from sandbox.stack.kafka.distribution import kafka_version
from sandbox.stack.platforms import SANDBOX_SECRET_TOKEN
from sandbox.telegram.world import BotIdentity

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
OURS = {name: one for name, one in SERVICES.items() if "build" in one}
PROCESSES = {name: one for name, one in OURS.items() if one.get("restart") == "unless-stopped"}


def _env(file: str) -> dict[str, str]:
    lines = (ROOT / "deploy" / "compose" / file).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_process_of_okno_has_a_service_of_its_name() -> None:
    assert set(KINDS) <= set(PROCESSES)
    for name in set(KINDS) - {"sandbox"}:
        assert PROCESSES[name]["command"] == ["run", name]
        assert "profiles" not in PROCESSES[name]


def test_a_second_process_of_a_group_has_a_name_of_its_own() -> None:
    for name in set(PROCESSES) - set(KINDS):
        assert PROCESSES[name]["command"][2:] == ["--name", name]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"kafka"}))
def test_a_container_can_change_nothing_but_its_volumes(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_logs_do_not_fill_the_disk(name: str) -> None:
    assert {"max-size", "max-file"} <= set(SERVICES[name]["logging"]["options"])


def test_only_this_machine_reaches_what_is_published() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:${") for port in ports)


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_a_process_starts_after_topics_and_schemas_and_has_time_to_drain(name: str) -> None:
    service = PROCESSES[name]
    done = {"condition": "service_completed_successfully"}
    assert service["depends_on"] == {"topics": done, "migrate": done}
    assert service["healthcheck"]["test"][-1] == "readyz"
    # docs/configuration.md: give a container DRAIN_SECONDS + 15 s.
    assert int(service["stop_grace_period"].removesuffix("s")) >= int(service["environment"]["DRAIN_SECONDS"]) + 15


def test_the_demo_waits_for_every_process() -> None:
    healthy = {"condition": "service_healthy"}
    assert SERVICES["demo"]["depends_on"] == dict.fromkeys(KINDS, healthy)


def test_services_know_the_simulated_platforms_as_these_know_themselves() -> None:
    env = _env("sandbox.env")
    assert env["SLACK_SIGNING_SECRET"] == Identity().signing_secret
    assert env["SLACK_BOT_TOKEN"] == Identity().bot_token
    assert env["TELEGRAM_BOT_TOKEN"] == BotIdentity().token
    assert env["TELEGRAM_SECRET_TOKEN"] == SANDBOX_SECRET_TOKEN
    assert env["TELEGRAM_WEBHOOK_URL"].endswith(f"/telegram/{BotIdentity().id}")
    assert strangers({**SERVICES["sandbox"]["environment"], **env}) == []


def test_a_sandbox_beside_real_platforms_is_a_stranger() -> None:
    sandbox = SERVICES["sandbox"]["environment"]
    real = {**_env("sandbox.env"), "TELEGRAM_API_URL": "https://api.telegram.org"}
    assert strangers({**sandbox, **real}) == ["TELEGRAM_API_URL"]
    assert strangers({**sandbox, **_env("env.example")}) == ["SLACK_API_URL", "TELEGRAM_API_URL"]


@pytest.mark.parametrize("file", ["sandbox.env", "env.example"])
def test_every_line_of_an_environment_file_is_read_by_somebody(file: str) -> None:
    page, compose = (ROOT / "docs" / "configuration.md").read_text(), COMPOSE.read_text()
    for name in _env(file):
        assert f"`{name}`" in page or f"${{{name}" in compose, name


def test_compose_and_the_stack_runner_run_the_same_kafka() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_version()}"


def test_prometheus_scrapes_every_process() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert set(job["dns_sd_configs"][0]["names"]) == set(PROCESSES) - {"sandbox"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_agrees() -> None:
    file = str(ROOT / "deploy" / "compose" / "prometheus.yml")
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_its_dashboards_and_the_store_that_exemplars_lead_to() -> None:
    folder = ROOT / "deploy" / "compose" / "grafana"
    (provider,) = yaml.safe_load((folder / "dashboards.yaml").read_text())["providers"]
    assert f"./deploy/grafana:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    sources = {one["uid"]: one for one in yaml.safe_load((folder / "datasources.yaml").read_text())["datasources"]}
    for uid, source in sources.items():
        assert source["url"].startswith(f"http://{uid}:"), "a source's uid is its service's name"
        assert uid in SERVICES
    (leads,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert leads["datasourceUid"] in sources


def test_each_image_of_compose_is_a_target_of_the_dockerfile() -> None:
    targets = set(re.findall(r"^FROM runtime AS (\S+)", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE))
    assert {one["build"]["target"] for one in OURS.values()} == targets
    for service in OURS.values():
        assert service["image"].startswith(f"okno-{service['build']['target']}:")
