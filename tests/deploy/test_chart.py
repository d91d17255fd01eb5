"""What the chart renders, for each of its CI value files and for values that matter."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.settings import read
from cli.processes import KINDS, SERVICES
from contracts.topics import PARTITIONS, TOPICS, dead_topic
from services.ingest.settings import IngestSlackSettings, IngestTelegramSettings
from tests.deploy.conftest import CHART, CI_VALUES, Document, Render, is_hook, named, of_kind, pods, secret_data

PROCESSES = [name for name in KINDS if name != "sandbox"]
CONSUMERS = {"ingest-worker", "router", "ticketing-worker", "notifier"}
STAND_INS = {
    "DATABASE_URL": "postgresql://okno:secret@postgres:5432/okno",
    "TELEGRAM_BOT_TOKEN": "7700:AAHdqTcvCH1vGWJxfSe",
}


def containers(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    for name, template in pods(documents):
        for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]:
            yield name, container


def test_every_pod_is_restricted(render: Render, any_values: str) -> None:
    for name, template in pods(render(any_values)):
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"].get("runAsUser") == (None if any_values == "openshift" else 65532)
        assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} <= {"emptyDir", "secret"}
        for container in spec.get("initContainers", []) + spec["containers"]:
            security = container["securityContext"]
            assert security["runAsNonRoot"] is True, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name


def test_every_process_has_its_workload_probes_budget_and_policy(render: Render) -> None:
    documents = render("existing-secrets")
    for process in PROCESSES:
        name = f"okno-{process}"
        workload = named(documents, "StatefulSet" if process in CONSUMERS else "Deployment", name)
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["run", process]
        service = KINDS[process].module.split(".")[1]
        assert container["image"] == f"registry.example.org/team/okno-{service}:0.1.0"
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "probes"}
        assert {"name": "probes", "containerPort": 9464} in container["ports"]
        assert container["resources"]["limits"]["memory"]
        named(documents, "PodDisruptionBudget", name)
        named(documents, "NetworkPolicy", name)


def test_a_consumers_membership_is_its_pods_name(render: Render, any_values: str) -> None:
    documents = render(any_values)
    sets = list(of_kind(documents, "StatefulSet"))
    assert {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in sets} == CONSUMERS
    for one in sets:
        (container,) = one["spec"]["template"]["spec"]["containers"]
        by_name = {variable["name"]: variable for variable in container["env"]}
        assert by_name["PROCESS_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        assert named(documents, "Service", one["spec"]["serviceName"])["spec"]["clusterIP"] == "None"


def test_a_replaced_consumer_is_of_the_new_version(render: Render, any_values: str) -> None:
    for one in of_kind(render(any_values), "StatefulSet"):
        assert one["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def _environment(documents: list[Document], container: Document, folder: Path) -> dict[str, str]:
    """What the container would see: values as they are, secrets and files by stand-ins."""
    environ: dict[str, str] = {}
    for source in container.get("envFrom", []):
        environ |= named(documents, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container["env"]:
        environ[variable["name"]] = variable.get("value") or STAND_INS.get(variable["name"], "a-stand-in")
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    for name, value in environ.items():
        assert isinstance(value, str), name
        if value.startswith("/etc/okno/"):
            assert value.rpartition("/")[0] in mounted, f"{name} names a file that isn't mounted"
            environ[name] = str(folder / value.replace("/", "_"))
            (folder / value.replace("/", "_")).touch()
    return environ


def test_every_process_starts_from_its_environment(render: Render, any_values: str, tmp_path: Path) -> None:
    documents = render(any_values)
    for _, container in containers(documents):
        if container.get("args", [""])[0] != "run":
            continue
        process = container["args"][1]
        environ = _environment(documents, container, tmp_path) | {"PROCESS_NAME": f"okno-{process}-0"}
        settings = KINDS[process].settings_class()
        read(settings, environ)
        known = {name.upper() for name in settings.model_fields} | {"OTEL_RESOURCE_ATTRIBUTES"}
        assert {name for name in environ if not name.startswith("PGSSL")} <= known, process


def test_what_pods_refer_to_is_there_when_they_start(render: Render, any_values: str) -> None:
    documents = render(any_values)
    values = (CHART / "ci" / f"{any_values}-values.yaml").read_text()
    users = {one["metadata"]["name"] for one in of_kind(documents, "KafkaUser")}
    for owner in of_kind(documents, "Deployment", "StatefulSet", "Job"):
        present = {(one["kind"], one["metadata"]["name"]) for one in documents if is_hook(owner) == is_hook(one)}
        spec = owner["spec"]["template"]["spec"]
        wanted = {("ServiceAccount", spec["serviceAccountName"])}
        wanted |= {("Secret", volume["secret"]["secretName"]) for volume in spec["volumes"] if "secret" in volume}
        for container in spec.get("initContainers", []) + spec["containers"]:
            wanted |= {("ConfigMap", source["configMapRef"]["name"]) for source in container.get("envFrom", [])}
            for variable in container["env"]:
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    wanted.add(("Secret", reference["name"]))
        for kind, name in wanted - present:
            operators = kind == "Secret" and name in users and owner["kind"] != "Job"
            assert operators or name in values, f"{owner['metadata']['name']} needs {kind} {name}"


def test_nothing_secret_is_rendered_where_secrets_exist(render: Render) -> None:
    for values in ("existing-secrets", "mtls", "strimzi", "strimzi-mtls", "monitoring"):
        assert not list(of_kind(render(values), "Secret")), values


def test_secrets_given_as_values_are_in_no_config(render: Render) -> None:
    documents = render("minimal", sets=("settings.LOG_LEVEL=INFO",))
    text = json.dumps([one for one in documents if one["kind"] != "Secret"])
    for secret in ("okno:secret@", "xoxb-1-2-abc", "8f742231b10e8888abcd99yyyzzz85a5"):
        assert secret not in text


def test_jobs_are_hooks_that_run_before_the_rest_and_end_by_themselves(render: Render, any_values: str) -> None:
    documents = render(any_values)
    jobs = list(of_kind(documents, "Job"))
    assert {job["metadata"]["name"].rpartition("-")[2] for job in jobs} <= {"topics", "migrate"}
    assert any(job["metadata"]["name"].endswith("-migrate") for job in jobs)
    for job in jobs:
        notes = job["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        assert job["spec"]["activeDeadlineSeconds"] <= 240
    weights = {job["metadata"]["name"]: int(job["metadata"]["annotations"]["helm.sh/hook-weight"]) for job in jobs}
    for one in (one for one in documents if is_hook(one) and one["kind"] != "Job"):
        assert int(one["metadata"]["annotations"]["helm.sh/hook-weight"]) < min(weights.values())


def test_migrations_run_for_every_schema_each_with_its_own_database(render: Render) -> None:
    job = named(render("existing-secrets"), "Job", "okno-migrate")
    found = {}
    spec = job["spec"]["template"]["spec"]
    assert len(spec["containers"]) == 1, "one schema after another"
    for container in spec["initContainers"] + spec["containers"]:
        (url,) = (one for one in container["env"] if one["name"] == "DATABASE_URL")
        found[container["args"][2]] = url["valueFrom"]["secretKeyRef"]["name"]
        assert container["args"][:2] == ["migrate", "--service"]
    assert found == dict.fromkeys(SERVICES, "okno-postgres") | {"ticketing": "okno-ticketing-postgres"}


@pytest.mark.parametrize(
    ("own", "secret"),
    [
        ("existingSecret.name=mine", ("mine", "uri")),
        ("existingSecret.key=router", ("common", "router")),
        ("url=postgresql://router@db/okno", ("okno-values-database", "router.DATABASE_URL")),
    ],
)
def test_a_service_has_a_database_of_its_own(render: Render, own: str, secret: tuple[str, str]) -> None:
    common = ("database.url=", "database.existingSecret.name=common", "database.existingSecret.key=uri")
    documents = render("minimal", sets=(*common, f"database.services.router.{own}"))
    for process, expected in (("router", secret), ("notifier", ("common", "uri"))):
        (container,) = named(documents, "StatefulSet", f"okno-{process}")["spec"]["template"]["spec"]["containers"]
        (url,) = (one["valueFrom"]["secretKeyRef"] for one in container["env"] if one["name"] == "DATABASE_URL")
        assert (url["name"], url["key"]) == expected


def test_pods_have_the_time_they_need_to_end(render: Render, any_values: str) -> None:
    for name, template in pods(documents := render(any_values)):
        if name.rpartition("-")[2] in {"topics", "migrate", "cli"}:
            continue
        (container,) = template["spec"]["containers"]
        config = named(documents, "ConfigMap", container["envFrom"][0]["configMapRef"]["name"])["data"]
        drain = float(config.get("DRAIN_SECONDS", "20"))
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert template["spec"]["terminationGracePeriodSeconds"] >= drain + 15 + sleep
        assert ("HTTP_PORT" in config) == (sleep > 0), "what serves HTTP goes on while it is withdrawn"


def test_only_one_pod_polls_telegram(render: Render) -> None:
    documents = render("mtls", sets=("processes.ingest-telegram.replicas=3",))
    polling = named(documents, "Deployment", "okno-ingest-telegram")
    assert polling["spec"]["replicas"] == 1
    assert polling["spec"]["strategy"] == {"type": "Recreate"}
    assert not [one for one in of_kind(documents, "Service") if one["metadata"]["name"] == "okno-ingest-telegram"]


def test_a_changed_setting_starts_only_the_processes_anew_that_read_it(render: Render) -> None:
    def checksums(*sets: str) -> dict[str, str]:
        found = {}
        for one in of_kind(render("minimal", sets=("toolbox.enabled=true", *sets)), "Deployment", "StatefulSet"):
            found[one["metadata"]["name"]] = json.dumps(one["spec"]["template"]["metadata"]["annotations"])
        return found

    def changed(*sets: str, before: tuple[str, ...] = ()) -> set[str]:
        old, after = checksums(*before), checksums(*sets)
        return {name.removeprefix("okno-") for name in after if after[name] != old[name]}

    assert changed("settings.RETAIN_DECISIONS_DAYS=50") == {"router"}
    assert changed("processes.notifier.settings.LOG_LEVEL=DEBUG") == {"notifier"}
    assert changed("slack.botToken=xoxb-new") == {"notifier", "ingest-worker"}
    assert changed("slack.signingSecret=another") == {"ingest-slack"}
    with_database = {process for process in PROCESSES if process != "ingest-telegram"}
    assert changed("database.url=postgresql://okno:new@postgres:5432/okno") == with_database | {"cli"}
    login = ("kafka.securityProtocol=SASL_SSL", "kafka.auth.username=okno", "kafka.auth.password=old")
    with_kafka = {process for process in PROCESSES if process not in {"ingest-telegram", "ticketing-api"}}
    assert changed(*login, "kafka.auth.password=new", before=login) == with_kafka | {"cli"}


def test_large_numbers_stay_numbers(render: Render) -> None:
    documents = render("full", jsons=("processes.ticketing-worker.autoscaling.lagThreshold=5e7",))
    assert named(documents, "ConfigMap", "desk-ticketing-worker")["data"]["DEAD_LETTERS_MAX"] == "50000000"
    scaled = named(documents, "ScaledObject", "desk-ticketing-worker")["spec"]
    assert {trigger["metadata"]["lagThreshold"] for trigger in scaled["triggers"]} == {"50000000"}


def test_secrets_keep_every_character(render: Render) -> None:
    password = "a\"b'c\\d{{ e }}$(F)%s #: \u00e9\n\t "
    documents = render(
        "minimal",
        sets=("kafka.securityProtocol=SASL_SSL", "kafka.auth.username=okno"),
        jsons=(f"kafka.auth.password={json.dumps(password)}", 'slack.botToken="0123"', 'slack.signingSecret="yes"'),
    )
    assert set(secret_data(documents, "okno-values-kafka").values()) == {password}
    assert secret_data(documents, "okno-values-hooks")["cli.KAFKA_SASL_PASSWORD"] == password
    assert secret_data(documents, "okno-values-slack") == {
        "SLACK_BOT_TOKEN": "0123",
        "SLACK_SIGNING_SECRET": "yes",
        "SLACK_SIGNING_SECRET_PREVIOUS": "",
    }


def test_a_key_that_the_values_no_longer_have_goes_from_its_secret(render: Render) -> None:
    """Helm compares with the Secret that is there, and the API server keeps `data` only."""
    login = ("kafka.securityProtocol=SASL_SSL", "kafka.auth.username=okno", "kafka.auth.password=secret")
    made = list(of_kind(render("minimal", sets=login), "Secret"))
    assert {one["metadata"]["name"].rpartition("-")[2] for one in made} == {"database", "kafka", "slack", "hooks"}
    for one in made:
        assert one.keys() & {"data", "stringData"} == {"data"}, one["metadata"]["name"]


def test_no_secret_of_the_chart_has_the_name_of_one_that_takes_its_place(render: Render) -> None:
    """Helm deletes what is no longer rendered: it would delete the one that `existingSecret` has just named."""
    values = (
        *("kafka.securityProtocol=SASL_SSL", "kafka.auth.username=okno", "kafka.auth.password=secret"),
        *("telegram.enabled=true", "telegram.botToken=7700:AAH", "telegram.secretToken=word"),
    )
    made = {one["metadata"]["name"] for one in of_kind(render("minimal", sets=values), "Secret")}
    assert len(made) == len(["database", "kafka", "slack", "telegram", "hooks"])
    usual = set(re.findall(r"\bokno-[a-z-]+", "".join(path.read_text() for path in CI_VALUES)))
    assert {"okno-slack", "okno-telegram", "okno-kafka", "okno-database"} <= usual
    assert not made & usual


def test_a_null_names_no_existing_secret(render: Render) -> None:
    nulls = ("slack.existingSecret=null", "kafka.auth.existingSecret.name=null", "database.existingSecret.name=null")
    assert render("minimal", sets=nulls) == render("minimal")


def test_a_former_secret_that_the_values_no_longer_have_is_overwritten_and_accepted_no_more(render: Render) -> None:
    values = ("telegram.enabled=true", "telegram.botToken=7700:AAH", "telegram.secretToken=word")

    def accepted(*sets: str) -> tuple[list[str], list[str]]:
        documents = render("minimal", sets=(*values, *sets))
        slack, telegram = secret_data(documents, "okno-values-slack"), secret_data(documents, "okno-values-telegram")
        written = slack.keys() | telegram.keys()
        assert {"SLACK_SIGNING_SECRET_PREVIOUS", "TELEGRAM_SECRET_TOKEN_PREVIOUS"} <= written
        kafka = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
        return (
            read(IngestSlackSettings, kafka | slack).signing_secrets,
            read(IngestTelegramSettings, kafka | telegram).secret_tokens,
        )

    signing = "8f742231b10e8888abcd99yyyzzz85a5"
    changing = ("slack.signingSecretPrevious=former", "telegram.secretTokenPrevious=before")
    assert accepted(*changing) == ([signing, "former"], ["word", "before"])
    assert accepted() == ([signing], ["word"])


@pytest.mark.parametrize(
    ("own", "username", "password"),
    [
        ("username=router,password=secret", {"value": "router"}, ("okno-values-kafka", "router.KAFKA_SASL_PASSWORD")),
        ("existingSecret.name=mine", ("mine", "username"), ("mine", "password")),
        ("username=router,existingSecret.passwordKey=router", {"value": "router"}, ("common", "router")),
    ],
)
def test_a_login_of_its_own_isnt_mixed_with_the_common_one(
    render: Render, own: str, username: Any, password: tuple[str, str]
) -> None:
    sets = ("kafka.securityProtocol=SASL_SSL", "kafka.auth.username=okno", "kafka.auth.existingSecret.name=common")
    documents = render("minimal", sets=(*sets, *(f"kafka.users.router.{part}" for part in own.split(","))))

    def login(process: str) -> list[Any]:
        (container,) = named(documents, "StatefulSet", f"okno-{process}")["spec"]["template"]["spec"]["containers"]
        found = {variable.pop("name"): variable for variable in map(dict, container["env"])}
        return [found["KAFKA_SASL_USERNAME"], found["KAFKA_SASL_PASSWORD"]]

    def secret(name: str, key: str) -> Any:
        return {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}

    assert login("router") == [username if isinstance(username, dict) else secret(*username), secret(*password)]
    assert login("notifier") == [{"value": "okno"}, secret("common", "password")]


def test_no_service_account_is_made_where_one_is_there(render: Render) -> None:
    documents = render("existing-secrets")
    assert not list(of_kind(documents, "ServiceAccount"))
    assert {template["spec"]["serviceAccountName"] for _, template in pods(documents)} == {"okno-pods"}


def test_a_long_version_is_cut_to_what_a_label_takes(render: Render) -> None:
    for one in render("minimal", sets=(f"image.tag=main-{'a' * 57}-b",)):
        assert one["metadata"]["labels"]["app.kubernetes.io/version"] == f"main-{'a' * 57}"


def test_selectors_hold_nothing_that_changes_with_a_version(render: Render) -> None:
    def selectors(*sets: str) -> list[Any]:
        found = of_kind(render("minimal", sets=sets), "Deployment", "StatefulSet")
        return [one["spec"]["selector"] for one in found]

    assert selectors() == selectors("image.tag=9.9.9", "commonLabels.team=support", "podLabels.a=b")


def test_a_long_name_leaves_room_for_what_kubernetes_adds(render: Render) -> None:
    documents = render("minimal", sets=(f"fullnameOverride={'a' * 60}",))
    for one in of_kind(documents, "StatefulSet"):
        assert len(one["metadata"]["name"]) + len("-0123456789") <= 63


def test_pods_need_not_be_spread(render: Render) -> None:
    (first, *_) = of_kind(render("minimal", sets=("topologyKeys=null",)), "StatefulSet")
    assert first["spec"]["template"]["spec"]["topologySpreadConstraints"] == []


def test_what_is_scaled_by_something_else_names_no_replicas(render: Render) -> None:
    documents = render("keda")
    for one in of_kind(documents, "Deployment", "StatefulSet"):
        assert "replicas" not in one["spec"], one["metadata"]["name"]
    scaled = list(of_kind(documents, "ScaledObject"))
    assert {one["spec"]["scaleTargetRef"]["name"].removeprefix("okno-") for one in scaled} == CONSUMERS
    for one in scaled:
        assert one["spec"]["minReplicaCount"] <= one["spec"]["maxReplicaCount"] <= PARTITIONS
        for trigger in one["spec"]["triggers"]:
            assert TOPICS[trigger["metadata"]["topic"]].partitions == PARTITIONS
            login = named(documents, "TriggerAuthentication", trigger["authenticationRef"]["name"])
            given = {
                secret["parameter"]
                for targets in ("secretTargetRef", "configMapTargetRef")
                for secret in login["spec"].get(targets, [])
            }
            assert given == {"username", "password", "ca"}
            assert trigger["metadata"]["sasl"] == "scram_sha256"


def test_what_is_scaled_keeps_a_pod_when_a_node_is_lost(render: Render) -> None:
    """The pod of a StatefulSet on a node that is lost isn't replaced until somebody says that the node is off."""
    for one in of_kind(documents := render("keda"), "ScaledObject"):
        assert one["spec"]["minReplicaCount"] >= 2, one["metadata"]["name"]
    for one in of_kind(documents, "HorizontalPodAutoscaler"):
        assert one["spec"]["minReplicas"] >= 2, one["metadata"]["name"]


@pytest.mark.parametrize(
    ("servers", "found"),
    [
        ("kafka:9092", "kafka.support.svc:9092"),
        ("a-1:9092,b:9093, c:9094", "a-1.support.svc:9092,b.support.svc:9093,c.support.svc:9094"),
        ("kafka.data.svc:9092,kafka:9092", "kafka.data.svc:9092,kafka.support.svc:9092"),
        ("kafka.example.org:9092,10.1.2.3:9092", "kafka.example.org:9092,10.1.2.3:9092"),
        ("[2001:db8::1]:9092", "[2001:db8::1]:9092"),
    ],
)
def test_keda_finds_kafka_from_its_own_namespace(render: Render, servers: str, found: str) -> None:
    documents = render("keda", jsons=(f"kafka.bootstrapServers={json.dumps(servers)}",))
    triggers = [trigger for one in of_kind(documents, "ScaledObject") for trigger in one["spec"]["triggers"]]
    assert {trigger["metadata"]["bootstrapServers"] for trigger in triggers} == {found}
    assert named(documents, "ConfigMap", "okno-router")["data"]["KAFKA_BOOTSTRAP_SERVERS"] == servers


def test_strimzi_makes_the_registrys_topics_and_keeps_them(render: Render) -> None:
    documents = render("strimzi")
    topics = {one["spec"]["topicName"]: one for one in of_kind(documents, "KafkaTopic")}
    assert set(topics) == set(TOPICS) | set(map(dead_topic, TOPICS))
    for name, topic in topics.items():
        assert topic["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert topic["metadata"]["labels"]["strimzi.io/cluster"] == "desk"
        assert (topic["spec"]["replicas"], topic["spec"]["config"]["min.insync.replicas"]) == (3, 2), name
    assert not [job for job in of_kind(documents, "Job") if job["metadata"]["name"] == "okno-topics"]


@pytest.mark.parametrize(("values", "how"), [("strimzi", "scram-sha-512"), ("strimzi-mtls", "tls")])
def test_strimzi_makes_a_user_for_each_service_and_its_processes_use_it(render: Render, values: str, how: str) -> None:
    documents = render(values)
    users = {one["metadata"]["name"]: one["spec"] for one in of_kind(documents, "KafkaUser")}
    assert set(users) == {f"okno-{user}" for user in (*SERVICES, "cli")}
    for spec in users.values():
        assert spec["authentication"]["type"] == how
        assert all(acl["operations"] for acl in spec["authorization"]["acls"])
    for one in of_kind(documents, "StatefulSet"):
        process = one["metadata"]["labels"]["app.kubernetes.io/component"]
        user = f"okno-{KINDS[process].module.split('.')[1]}"
        spec = one["spec"]["template"]["spec"]
        if how == "tls":
            assert user in {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
        else:
            variables = {variable["name"]: variable for variable in spec["containers"][0]["env"]}
            assert variables["KAFKA_SASL_USERNAME"]["value"] == user
            assert variables["KAFKA_SASL_PASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": user, "key": "password"}


def test_certificates_are_mounted_where_the_settings_say(render: Render) -> None:
    documents = render("mtls")
    data = named(documents, "ConfigMap", "okno-notifier")["data"]
    assert data["PGSSLMODE"] == "verify-full"
    spec = named(documents, "StatefulSet", "okno-notifier")["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume["secret"] for volume in spec["volumes"] if "secret" in volume}
    assert volumes["kafka-client"] == {
        "secretName": "okno-notifier-client",
        "defaultMode": 0o440,
        "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}],
    }
    assert set(volumes) == {"kafka-ca", "kafka-client", "postgres-ca", "postgres-client"}


def test_webhooks_and_the_api_have_hosts_of_their_own(render: Render) -> None:
    found = {
        (one["spec"]["rules"][0]["host"], path["path"], path["backend"]["service"]["name"])
        for one in of_kind(render("full"), "Ingress")
        for path in one["spec"]["rules"][0]["http"]["paths"]
    }
    assert found == {
        ("hooks.example.org", "/slack/events", "desk-ingest-slack"),
        ("hooks.example.org", "/telegram/", "desk-ingest-telegram"),
        ("desk.example.org", "/", "desk-ticketing-api"),
    }


def test_rules_and_dashboards_reach_the_cluster_as_they_are(render: Render) -> None:
    documents = render("monitoring")
    rules = {one["metadata"]["name"].partition("-")[2]: one["spec"] for one in of_kind(documents, "PrometheusRule")}
    files = (CHART / "files" / "rules").glob("*.rules.yaml")
    assert rules == {path.name.removesuffix(".rules.yaml"): yaml.safe_load(path.read_text()) for path in files}
    boards = [one for one in of_kind(documents, "ConfigMap") if "grafana_dashboard" in one["metadata"]["labels"]]
    for board in boards:
        ((name, text),) = board["data"].items()
        assert json.loads(text) == json.loads((CHART / "files" / "dashboards" / name).read_text())
    assert len(boards) == len(list((CHART / "files" / "dashboards").glob("*.json")))


@pytest.mark.parametrize(
    ("values", "sets", "complaint"),
    [
        ("minimal", ("kafka.bootstrapServers=",), "kafka.bootstrapServers is missing"),
        (
            "minimal",
            ("kafka.bootstrapServers=kafka",),
            "kafka.bootstrapServers must be host:port, several separated by",
        ),
        ("minimal", (r"kafka.bootstrapServers=a:1\,b",), "kafka.bootstrapServers must be host:port, several separated"),
        (
            "minimal",
            ("database.url=",),
            "no database for ingest, router, ticketing, notifier: set database.existingSecret",
        ),
        (
            "minimal",
            ("database.url=", "database.services.router.url=postgresql://a/b"),
            "no database for ingest, ticketing",
        ),
        ("minimal", ("database.url=mysql://a/b",), "the database URL of ingest must start with postgresql://"),
        ("minimal", ("database.url=postgresql://a:b/c@d/e",), "the database URL of ingest has an @ behind a /, ? or #"),
        ("minimal", ("slack.enabled=false",), "no platform is connected: set slack.enabled or telegram.enabled"),
        ("minimal", ("slack.signingSecret=",), "slack.signingSecret is missing: set slack.existingSecret"),
        ("minimal", ("slack.transport=socket",), "slack.appToken is missing"),
        (
            "minimal",
            ("kafka.securityProtocol=SASL_SSL",),
            "no login for Kafka for ingest, router, ticketing, notifier, cli",
        ),
        (
            "minimal",
            ("slack.existingSecret=okno-values-slack",),
            "slack.existingSecret: okno-values-slack is the chart's own, which Helm deletes",
        ),
        (
            "existing-secrets",
            ("kafka.users.router.existingSecret.name=okno-values-kafka",),
            "kafka.users.router.existingSecret: okno-values-kafka is the chart's own",
        ),
        ("minimal", ("settings.LOG_LEVL=INFO",), "settings.LOG_LEVL: no process reads such a setting"),
        ("minimal", ("settings.DATABASE_URL=x",), "settings.DATABASE_URL: no process reads such a setting, or another"),
        ("minimal", ("processes.router.settings.HTTP_PORT=1",), "processes.router.settings.HTTP_PORT"),
        ("minimal", ("processes.router.replicas=13",), "processes.router.replicas is 13: there are 12 partitions"),
        ("minimal", ("processes.router.autoscaling.maxReplicas=13",), "autoscaling.maxReplicas is 13: there are 12"),
        ("minimal", ("processes.router.replicas=two",), "processes.router.replicas"),
        ("minimal", ("settings.SLACK_API_URL=slack.com",), "settings.SLACK_API_URL must be a URL that starts with"),
        ("minimal", ("settings.DRAIN_SECONDS=20s",), "settings.DRAIN_SECONDS must be a number of seconds (it is 20s)"),
        (
            "minimal",
            ("processes.router.settings.OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318",),
            "processes.router.settings.OTEL_EXPORTER_OTLP_ENDPOINT must be a URL that starts with http:// or https://",
        ),
        ("minimal", ("networkPolicy=null",), "missing property 'networkPolicy'"),
        ("minimal", ("kafka.auth=null",), "missing property 'auth'"),
        ("minimal", ("processes.router=null",), "missing property 'router'"),
        ("minimal", (r"podLabels.app\.kubernetes\.io/name=a",), "podLabels: the chart itself sets labels like app."),
        ("minimal", ("fullnameOverride=7a",), "resources can't be named 7a"),
        ("minimal", ("fullnameOverride=a.b",), "fullnameOverride"),
        (
            "minimal",
            ("database.url=postgresql://a/b?sslmode=prefer", "database.tls.mode=require"),
            "the database URL of ingest has an sslmode, which wins over database.tls.mode",
        ),
        ("minimal", ("processes.router.autoscaling.minReplicas=0",), "minReplicas"),
        ("keda", ("processes.notifier.autoscaling.maxReplicas=1",), "minReplicas is above maxReplicas"),
        ("minimal", ("procesess.router.replicas=2",), "procesess"),
        ("minimal", ("image.tag=a b",), "image.tag"),
        ("minimal", ("ingress.enabled=true",), "ingress.enabled needs ingress.webhooks.host or ingress.api.host"),
        (
            "minimal",
            ("database.tls.mode=verify-full",),
            "database.tls.mode verify-full needs database.tls.caSecret.name",
        ),
        ("mtls", ("kafka.securityProtocol=PLAINTEXT",), "kafka.auth.clientSecret needs kafka.securityProtocol SSL"),
        (
            "strimzi",
            ("ingress.enabled=true", "ingress.webhooks.host=a.b"),
            "ingress.webhooks.host: nothing receives webhooks",
        ),
        ("strimzi", ("strimzi.cluster=",), "strimzi.cluster is missing"),
        ("strimzi", ("topics.managedBy=job",), "topics.managedBy: job runs before strimzi.users exist"),
        ("strimzi", ("kafka.securityProtocol=SSL",), "needs kafka.securityProtocol SASL_SSL or SASL_PLAINTEXT"),
    ],
)
def test_wrong_values_are_refused_with_what_to_set(
    template: Callable[..., subprocess.CompletedProcess[str]], values: str, sets: tuple[str, ...], complaint: str
) -> None:
    done = template(values, sets=sets)
    assert done.returncode != 0
    assert complaint.replace(".", "/") in done.stderr or complaint in done.stderr, done.stderr


def test_a_refused_url_isnt_shown_as_it_has_a_password(
    template: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = template("minimal", sets=("database.url=mysql://okno:a-password@db/okno",))
    assert done.returncode != 0
    assert "a-password" not in done.stderr + done.stdout


def _keys(values: Any, path: str = "") -> Iterator[str]:
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from _keys(value, f"{path}.{key}" if path else key)
    else:
        yield path


PROCESS_KEY = re.compile(r"^processes\.[a-z-]+\.")


def test_the_readme_tells_every_value_and_its_default() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = re.findall(r"^\| `([^`]+)` \| (.*?) \| .+ \|$", (CHART / "README.md").read_text(), re.MULTILINE)
    told = dict(rows)
    missing = set()
    for key in _keys(values):
        general = PROCESS_KEY.sub("processes.*.", key)
        covered = any(general == row or general.startswith(f"{row}.") for row in told)
        if not covered:
            missing.add(general)
    assert not missing
    for row in told:
        if row.startswith("processes.*"):
            continue
        found: Any = values
        for part in row.split("."):
            assert part in found, f"README.md tells of {row}, which isn't there"
            found = found[part]


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def resolved(part: dict[str, Any]) -> dict[str, Any]:
        return schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part

    def compare(values: dict[str, Any], part: dict[str, Any], path: str) -> None:
        known = resolved(part).get("properties")
        if known is None:
            return
        assert resolved(part)["additionalProperties"] is False, path
        assert set(values) == set(known) - {"global"} or path.endswith(("users", "services")), path
        for key, value in values.items():
            if isinstance(value, dict):
                compare(value, known[key], f"{path}.{key}")

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "values")
