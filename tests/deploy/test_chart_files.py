"""What the chart takes from the code: current, and no more rights than the code uses."""

from __future__ import annotations

import yaml

from chassis.topics_admin import wanted_topics
from cli import chart
from contracts.topics import TOPICS, dead_topic


def test_the_charts_files_are_current() -> None:
    assert chart.outdated(chart.generate()) == [], "run `make chart-files`"


def test_what_a_consumer_reads_is_what_the_registry_lets_its_service_read() -> None:
    facts = chart.processes()
    for process, groups in chart.consumers().items():
        for topic in (topic for topics in groups.values() for topic in topics if topic in TOPICS):
            assert facts[process]["service"] in TOPICS[topic].consumers, (process, topic)


def test_rights_are_those_of_the_registry_the_groups_and_nothing_else() -> None:
    for topic in TOPICS.values():
        for service in ("ingest", "router", "notifier"):
            granted = chart.access(service)["topic"]
            assert ("Write" in granted.get(topic.name, [])) == (service in topic.producers)
            own_tail = topic.name in {"router": "ticket.commands.v1", "notifier": "chat.receipts.v1"}.get(service, "")
            assert ("Read" in granted.get(topic.name, [])) == (service in topic.consumers or own_tail)
            assert granted.get(dead_topic(topic.name), []) == (["Write"] if service in topic.consumers else [])
    assert chart.access("router")["group"] == {"router": ["Read"]}
    assert "cluster" not in chart.access("ticketing")


def test_nobody_but_operators_is_told_settings_of_topics_and_nobody_may_change_or_delete() -> None:
    operations = {
        user: {one for resources in chart.access(user).values() for granted in resources.values() for one in granted}
        for user in ("ingest", "router", "ticketing", "notifier", "cli")
    }
    assert {user for user, found in operations.items() if found - {"Read", "Write"}} == {"cli"}
    assert operations["cli"] <= {"Read", "Write", "Describe", "DescribeConfigs"}


def test_topics_are_as_okno_makes_them_itself() -> None:
    written = yaml.safe_load(chart.generate()["kafka.yaml"])["topics"]
    for topic in wanted_topics(replicas=3):
        ours = written[topic.name]
        assert ours["partitions"] == topic.partitions
        assert {**ours["config"], "min.insync.replicas": "2"} == dict(topic.config)
