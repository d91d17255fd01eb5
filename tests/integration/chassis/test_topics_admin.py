"""The cluster's topics follow the registry, except for the number of partitions, which nothing changes."""

from __future__ import annotations

import json

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from chassis import topics_admin
from chassis.settings import KafkaSettings
from contracts.topics import TOPICS, dead_topic
from sandbox.stack.kafka.server import EmbeddedKafka


@pytest.fixture
def settings(kafka: EmbeddedKafka) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)


async def _first_differences(settings: KafkaSettings) -> list[topics_admin.Difference]:
    """What `check` finds as soon as the broker shows a change that was just made."""
    while not (found := await topics_admin.check(settings)):
        pass
    return found


async def test_apply_creates_every_topic_with_its_dead_letters_and_check_agrees(
    settings: KafkaSettings, no_topics: None, kafka_admin: AIOKafkaAdminClient
) -> None:
    before = await topics_admin.check(settings)
    assert {found.topic for found in before if found.what == "topic"} == set(TOPICS) | set(map(dead_topic, TOPICS))
    await topics_admin.apply(settings)
    assert await topics_admin.check(settings) == []
    shown = {topic["topic"]: len(topic["partitions"]) for topic in await kafka_admin.describe_topics()}
    assert {name: shown[name] for name in TOPICS} == {name: topic.partitions for name, topic in TOPICS.items()}
    assert await topics_admin.apply(settings) == []


async def test_a_changed_setting_is_shown_and_set_back_while_other_settings_stay(
    settings: KafkaSettings, no_topics: None, kafka_admin: AIOKafkaAdminClient
) -> None:
    await topics_admin.apply(settings)
    changed = {"retention.ms": "1000", "cleanup.policy": "delete", "segment.bytes": "16777216"}
    await kafka_admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "chat.events.v1", changed)])
    found = await _first_differences(settings)
    assert {difference.what for difference in found} >= {"retention.ms", "max.message.bytes"}
    assert "chat.events.v1: retention.ms is 1000, should be 604800000" in {str(difference) for difference in found}
    await topics_admin.apply(settings)
    assert await topics_admin.check(settings) == []
    (answer,) = await kafka_admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "chat.events.v1")])
    entries = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert entries["segment.bytes"] == "16777216", json.dumps(entries)


async def test_a_topic_with_other_partitions_is_reported_and_never_changed(
    settings: KafkaSettings, no_topics: None, kafka_admin: AIOKafkaAdminClient
) -> None:
    await topics_admin.apply(settings)
    await kafka_admin.create_partitions({"desk.staff.v1": NewPartitions(3)})
    await _first_differences(settings)
    (difference,) = await topics_admin.apply(settings)
    assert (difference.topic, difference.what, difference.actual) == ("desk.staff.v1", "partitions", "3")
    assert not difference.repairable
    assert "frozen" in str(difference)
    assert await topics_admin.check(settings) == [difference]


async def test_a_refused_topic_is_named_with_the_reason(kafka_admin: AIOKafkaAdminClient) -> None:
    wanted = topics_admin.WantedTopic("bad name", 1, {})
    with pytest.raises(topics_admin.TopicsRefused, match=r"bad name was not created: .*InvalidTopic"):
        await topics_admin.create(kafka_admin, [wanted])
