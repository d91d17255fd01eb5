"""Who talks to whom: the connections that the code makes and serves, against the chart's NetworkPolicies.

Where the code makes a connection is listed here by file and constructor: a new client or server fails this test until
its flow is named, and with the flow the policies are compared.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from cli.processes import KINDS, ROOT
from tests.deploy.conftest import Render, named

CONSTRUCTORS = {
    *("AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaClient", "AIOKafkaAdminClient", "KafkaBroker"),
    *("create_pool", "connect", "ClientSession", "AsyncWebClient", "SocketModeClient", "HTTPXRequest", "AsyncClient"),
    *(
        "OTLPSpanExporter",
        "HttpServer",
        "_Server",
        "_Producer",
        "create_connection",
        "open_connection",
        "start_server",
        "urlopen",
    ),
    *("create_server", "create_datagram_endpoint", "request"),
}
"""By which anything here opens or serves a connection."""

MADE = {
    ("chassis/kafka.py", "AIOKafkaConsumer"): "kafka",
    ("chassis/kafka.py", "_Producer"): "kafka",
    ("chassis/kafka.py", "AIOKafkaClient"): "kafka",
    ("chassis/kafka.py", "AIOKafkaAdminClient"): "kafka",
    ("chassis/restoring.py", "AIOKafkaAdminClient"): "kafka",
    ("chassis/topics_admin.py", "AIOKafkaAdminClient"): "kafka",
    ("chassis/restoring.py", "connect"): "database",
    ("chassis/database.py", "create_pool"): "database",
    ("chassis/database.py", "connect"): "database",
    ("chassis/migrations.py", "connect"): "database",
    ("chassis/telemetry.py", "OTLPSpanExporter"): "collector",
    ("chassis/http.py", "_Server"): "server",
    ("chassis/lifecycle.py", "HttpServer"): "server",
    ("services/ingest/bootstrap.py", "ClientSession"): "platform",
    ("services/ingest/bootstrap.py", "AsyncWebClient"): "slack",
    ("services/ingest/slack/socket.py", "AsyncWebClient"): "slack",
    ("services/ingest/slack/socket.py", "SocketModeClient"): "slack",
    ("services/notifier/slack/send.py", "AsyncWebClient"): "slack",
    ("services/notifier/slack/send.py", "ClientSession"): "slack",
    ("services/notifier/telegram/send.py", "HTTPXRequest"): "telegram",
    ("cli/asyncapi.py", "KafkaBroker"): "nobody: it writes a document",
    ("cli/api.py", "request"): "api",
    ("cli/database.py", "connect"): "database",
    ("cli/doctor.py", "AsyncClient"): "platform",  # with a platform's token, which the toolbox hasn't
}
USED_BY_A_BOOTSTRAP = {
    "make_producer": "kafka",
    "Consumer": "kafka",
    "Database": "database",
    "connect_compared": "database",
    "serve_http": "http",
    "SlackReads": "slack",
    "SlackSender": "slack",
    "SocketMode": "slack",
    "TelegramCalls": "telegram",
    "TelegramSender": "telegram",
}
"""What a bootstrap function puts together, and the flow that comes with it."""

PORTS = {"kafka": 9092, "database": 5432, "slack": 8443, "telegram": 8444, "collector": 4318}
SETS = (
    "kafka.bootstrapServers=kafka:9092",
    "telegram.enabled=true",
    "telegram.existingSecret=telegram",
    "settings.SLACK_API_URL=https://slack.example.org:8443/api/",
    "settings.TELEGRAM_API_URL=https://telegram.example.org:8444",
    "settings.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
)


def _calls(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            found.add(function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""))
    return found


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }


def test_every_client_and_server_of_the_code_is_known() -> None:
    found = set()
    for folder in ("chassis", "services", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            calls = _calls(ast.parse(path.read_text())) & CONSTRUCTORS
            found |= {(str(path.relative_to(ROOT)), name) for name in calls}
    # `Database.connect`, and the like of our own: what they use is listed.
    ours = {("services/ingest/slack/socket.py", "connect"), ("chassis/compared.py", "connect")} | {
        (f"services/{service}/bootstrap.py", "connect") for service in ("ingest", "ticketing")
    }
    ours |= {
        (f"cli/{command}.py", "connect")
        for command in ("dead_letters", "deliveries", "doctor", "erase", "restore", "tokens")
    }
    assert found - ours == set(MADE)


def _flows(kind: str) -> set[str]:
    """What a process's bootstrap function, with the helpers of its module that it calls, puts together."""
    process = KINDS[kind]
    tree = ast.parse(Path(ROOT, *process.module.split(".")).with_suffix(".py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    names, waiting = set[str](), [process.function]
    while waiting:
        function = functions.pop(waiting.pop(), None)
        if function is not None:
            used = _names(function)
            names |= used
            waiting += sorted(used)
    return {flow for name, flow in USED_BY_A_BOOTSTRAP.items() if name in names}


def test_bootstraps_use_all_that_is_known_of_them() -> None:
    assert set().union(*(_flows(kind) for kind in KINDS if kind != "sandbox")) == set(USED_BY_A_BOOTSTRAP.values())


def _allowed(policy: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Where a policy lets a process connect to, and which of its ports may be connected to."""
    by_port = {port: name for name, port in PORTS.items()}
    out = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]} - {53}
    into = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    return {by_port[port] for port in out}, into


@pytest.mark.parametrize(
    ("slack", "telegram"), [("http", "webhook"), ("socket", "polling")], ids=["webhooks", "no public address"]
)
def test_policies_allow_exactly_what_the_code_does(render: Render, slack: str, telegram: str) -> None:
    documents = render("monitoring", sets=(*SETS, f"slack.transport={slack}", f"telegram.transport={telegram}"))
    for kind in (name for name in KINDS if name != "sandbox"):
        flows = _flows(kind)
        if kind == "ingest-slack":
            flows -= {"slack"} if slack == "http" else {"http"}
        if kind == "ingest-telegram" and telegram == "polling":
            flows -= {"http"}
        out, into = _allowed(named(documents, "NetworkPolicy", f"okno-{kind}"))
        assert out == (flows - {"http"}) | {"collector"}, kind
        assert into == ({"probes", "http"} if "http" in flows else {"probes"}), kind


def test_what_no_policy_names_is_denied_to_every_pod(render: Render) -> None:
    documents = render("monitoring")
    denied = named(documents, "NetworkPolicy", "okno-default-deny")["spec"]
    assert set(denied) == {"podSelector", "policyTypes"}
    assert denied["policyTypes"] == ["Ingress", "Egress"]
    for document in documents:
        template = (
            document["spec"].get("template") if document["kind"] in {"Job", "Deployment", "StatefulSet"} else None
        )
        if template is not None:
            assert denied["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_jobs_reach_only_what_they_work_on(render: Render) -> None:
    documents = render("monitoring", sets=SETS)
    for job, wanted in (("migrate", {"database"}), ("topics", {"kafka"})):
        policy = named(documents, "NetworkPolicy", f"okno-{job}")
        assert "ingress" not in policy["spec"]
        out = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]} - {53}
        assert out == {PORTS[name] for name in wanted}


@pytest.mark.parametrize(
    ("sets", "ports"),
    [
        (("database.url=postgresql://okno:a:6@b:6432/okno?x=:1",), {6432}),
        (("database.url=postgresql://one,two:5433/okno",), {5432, 5433}),
        (("database.services.router.existingSecret.name=a", "database.url=postgresql://a:6432/okno"), {5432, 6432}),
        (("database.existingSecret.name=a",), {5432}),
        (("database.existingSecret.name=a", "networkPolicy.database.ports={6432}"), {6432}),
    ],
)
def test_policies_know_postgresqls_port_from_its_url(render: Render, sets: tuple[str, ...], ports: set[int]) -> None:
    documents = render("minimal", sets=tuple(one.replace(",", r"\,") for one in sets))
    for name in ("okno-router", "okno-migrate"):
        policy = named(documents, "NetworkPolicy", name)
        out = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]} - {53, 9092}
        assert out == ports, name


def test_operators_commands_reach_what_they_work_on(render: Render) -> None:
    policy = named(render("full"), "NetworkPolicy", "desk-cli")
    assert "ingress" not in policy["spec"]
    out = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]} - {53}
    assert out == {9093, 9094, 5432, 6432, 8080}
    api = named(render("full"), "NetworkPolicy", "desk-ticketing-api")["spec"]["ingress"][0]
    peers = [one["podSelector"]["matchLabels"] for one in api["from"] if "podSelector" in one]
    assert [labels["app.kubernetes.io/component"] for labels in peers] == ["cli"]
