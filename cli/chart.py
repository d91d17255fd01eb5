"""What the Helm chart knows of the code: `python -m cli.chart write` (or `check`) writes `deploy/helm/okno/files`.

- `processes.yaml`: each process, what it talks to, which consumer groups it has, which settings and secrets it reads;
- `kafka.yaml`: the topics of the registry, and for each service what it may do with topics and groups;
- `rules/` and `dashboards/`: copies of what lies under `deploy/`, as a chart reads files of its own folder only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from chassis.settings import HttpSettings, KafkaSettings, OptionalDatabaseSettings, ProcessSettings
from chassis.topics_admin import wanted_topics
from cli.processes import KINDS, ROOT, SERVICES, ProcessKind
from contracts.topics import TOPICS, dead_topic

CHART = ROOT / "deploy" / "helm" / "okno"
FILES = CHART / "files"
COPIES = {"rules": ("prometheus", "*.rules.yaml"), "dashboards": ("grafana", "*.json")}
"""Folder of the chart -> where its files come from, below `deploy/`."""

HEADER = "# Written by `python -m cli.chart write` from the code. Don't edit.\n"
OPERATORS = "cli"
"""The user of `okno topics`, `restore`, `backfill`, `positions` and `dead-letters`: a person, so not a process."""

_REPLICATION = "min.insync.replicas"
"""Depends on the number of copies, which the chart's values say."""
_SET_BY_THE_CHART = frozenset({
    *OptionalDatabaseSettings.model_fields,
    *KafkaSettings.model_fields,
    *HttpSettings.model_fields,
    *("process_name", "pid_file", "probe_host", "probe_port", "fault_points", "fault_directory"),
    *("slack_transport", "telegram_transport", "telegram_webhook_url"),
})  # fmt: skip


def consumers() -> dict[str, dict[str, Sequence[str]]]:
    """Of each process that consumes, its groups, and the topics each reads; the group that shows its load first."""
    from services.ingest import reading
    from services.notifier import bootstrap as notifier
    from services.router import worker as router
    from services.ticketing import worker as ticketing

    return {
        "ingest-worker": {reading.CONSUMER: reading.TOPICS},
        "router": {router.CONSUMER: router.TOPICS},
        "ticketing-worker": {
            ticketing.CONSUMER: ticketing.TOPICS_READ,
            ticketing.DEAD_CONSUMER: ticketing.DEAD_TOPICS,
        },
        "notifier": {notifier.CONSUMER: [notifier.TOPIC]},
    }


def processes() -> dict[str, Any]:
    """The document of `processes.yaml`."""
    return {kind.name: _process(kind) for kind in KINDS.values() if kind.module.startswith("services.")}


def _process(kind: ProcessKind) -> dict[str, Any]:
    fields = kind.settings_class().model_fields
    read = [name for name in fields if name not in _SET_BY_THE_CHART]
    secrets = [name for name in read if "SecretStr" in str(fields[name].annotation)]
    unknown = [name for name in secrets if not name.startswith(("slack_", "telegram_"))]
    if unknown:
        raise SystemExit(f"{kind.name}: the chart has no place for the secrets {', '.join(unknown)}")
    groups = consumers().get(kind.name, {})
    return {
        "service": kind.module.split(".")[1],
        "uses": list(_used(kind.settings_class())),
        "groups": {group: _partitioned(topics) for group, topics in groups.items()},
        "secrets": [name.upper() for name in sorted(secrets)],
        "settings": [name.upper() for name in sorted(set(read) - set(secrets))],
    }


def _used(settings: type[ProcessSettings]) -> Iterator[str]:
    """What a process connects to or serves, as its settings say: it has no address of anything else."""
    for use, group in (("database", OptionalDatabaseSettings), ("kafka", KafkaSettings), ("http", HttpSettings)):
        if group in settings.__mro__:
            yield use
    yield from (platform for platform in ("slack", "telegram") if f"{platform}_api_url" in settings.model_fields)


def _partitioned(topics: Sequence[str]) -> dict[str, int]:
    """Those of a group's topics whose load can be shared, and into how many parts. The others have one partition."""
    known = {name: TOPICS[name].partitions for name in topics if name in TOPICS}
    return {name: count for name, count in known.items() if count > 1}


def kafka() -> dict[str, Any]:
    """The document of `kafka.yaml`."""
    topics = {
        topic.name: {
            "partitions": topic.partitions,
            "config": {name: value for name, value in topic.config.items() if name != _REPLICATION},
        }
        for topic in wanted_topics(replicas=1)
    }
    return {"topics": topics, "users": {user: access(user) for user in (*SERVICES, OPERATORS)}}


def access(user: str) -> dict[str, dict[str, list[str]]]:
    """The least a user needs, by kind of resource and name. Reading and writing include describing, and writing to
    any topic the idempotent producer (KIP-679).
    """
    allowed = _of_an_operator() if user == OPERATORS else _of_a_service(user)
    topics: dict[str, set[str]] = {}
    for name, operation in allowed:
        topics.setdefault(name, set()).add(operation)
    groups = {
        group for process, read in consumers().items() for group in read if user in {OPERATORS, _service(process)}
    }
    granted = {
        "topic": {name: sorted(operations) for name, operations in sorted(topics.items())},
        "group": {name: ["Read"] for name in sorted(groups)},
    }
    return {**granted, "cluster": {"kafka-cluster": ["Describe"]}} if user == OPERATORS else granted


def _of_a_service(service: str) -> Iterator[tuple[str, str]]:
    for topic in TOPICS.values():
        if service in topic.producers:
            yield topic.name, "Write"
        if service in topic.consumers:
            yield topic.name, "Read"
            yield dead_topic(topic.name), "Write"
        if service == "ticketing":
            yield dead_topic(topic.name), "Read"
            yield topic.name, "Write"  # dead letters are replayed, parked keys released
    for name in _checked_tails().get(service, ()):
        yield name, "Read"


def _of_an_operator() -> Iterator[tuple[str, str]]:
    for topic in TOPICS.values():
        for name in (topic.name, dead_topic(topic.name)):
            yield name, "Read"
            yield name, "DescribeConfigs"
        if OPERATORS in topic.producers:
            yield topic.name, "Write"


def _service(process: str) -> str:
    return KINDS[process].module.split(".")[1]


def _checked_tails() -> dict[str, Sequence[str]]:
    """Topics of its own whose latest records a service compares with its tables at the start (chassis/published.py)."""
    from services.notifier import bootstrap as notifier
    from services.router import bootstrap as router
    from services.ticketing import bootstrap as ticketing

    return {"router": [*router.QUESTIONS], "ticketing": [*ticketing.QUESTIONS], "notifier": [*notifier.QUESTIONS]}


def generate() -> dict[str, str]:
    """All files by their path below `files/`."""
    files = {"processes.yaml": _yaml(processes()), "kafka.yaml": _yaml(kafka())}
    for folder, (source, pattern) in COPIES.items():
        for path in sorted((ROOT / "deploy" / source).glob(pattern)):
            files[f"{folder}/{path.name}"] = path.read_text()
    return files


def _yaml(document: dict[str, Any]) -> str:
    return HEADER + yaml.safe_dump(document, sort_keys=False, width=120)


def outdated(files: dict[str, str]) -> list[str]:
    """What differs from `files`, is missing or too much, by its path below `files/`."""
    present = {str(path.relative_to(FILES)): path.read_text() for path in FILES.rglob("*") if path.is_file()}
    return sorted(name for name in {*present, *files} if present.get(name) != files.get(name))


def main(arguments: list[str]) -> int:
    files = generate()
    differing = outdated(files)
    if arguments == ["write"]:
        for name in differing:
            path = FILES / name
            if name in files:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(files[name])
            else:
                path.unlink()
        return 0
    for name in differing:
        sys.stdout.write(f"{(FILES / name).relative_to(Path.cwd())} is out of date; run `make chart-files`\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
