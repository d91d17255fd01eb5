"""Topics in a cluster against the registry: what is missing is created, settings that differ are set, and the number
of partitions is never changed, because that would break the order of keys; `check` only looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from chassis.kafka import connection_options
from chassis.settings import KafkaSettings
from contracts.topics import DEAD_RETENTION, TOPIC_MAX_MESSAGE_BYTES, TOPICS, Topic, dead_topic

SEGMENT_MS = 86_400_000

PRODUCTION_REPLICAS = 3
_TOPIC_OVERRIDE = 1  # Kafka's DescribeConfigs: the value is set on the topic itself
_SECONDS_UNTIL_VISIBLE = 30.0


class TopicsRefused(Exception):
    """The cluster refused a change of topics; the text names topic and reason."""


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """One topic as the registry wants it; `config` holds the broker's names and values."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """What of a topic isn't as wanted. `what` is "topic" (it is missing), "partitions", or a setting's name."""

    topic: str
    what: str
    wanted: str
    actual: str | None

    @property
    def repairable(self) -> bool:
        """Whether `apply` repairs it. Partitions can't be taken away, and adding some would break the order of keys."""
        return self.what != "partitions"

    def __str__(self) -> str:
        if self.what == "topic":
            return f"{self.topic} is missing"
        text = f"{self.topic}: {self.what} is {self.actual}, should be {self.wanted}"
        return text if self.repairable else f"{text} (the count is frozen: move to a new topic version instead)"


def wanted_topics(*, replicas: int, topics: Iterable[Topic] | None = None) -> list[WantedTopic]:
    """The registry's topics and their dead-letter topics. With three replicas two must have a record before it counts
    as written (`min.insync.replicas`).
    """
    wanted: list[WantedTopic] = []
    shared = {
        "max.message.bytes": str(TOPIC_MAX_MESSAGE_BYTES),
        **min_insync(replicas),
    }
    for topic in TOPICS.values() if topics is None else topics:
        kept = {"cleanup.policy": "compact"}
        if topic.retention is not None:
            kept = _deleted_after(topic.retention)
        wanted.append(WantedTopic(topic.name, topic.partitions, shared | kept))
        wanted.append(WantedTopic(dead_topic(topic.name), topic.partitions, shared | _deleted_after(DEAD_RETENTION)))
    return wanted


def min_insync(replicas: int) -> dict[str, str]:
    """All copies but one: one broker may be away."""
    return {"min.insync.replicas": str(max(1, replicas - 1))}


def _deleted_after(age: timedelta) -> dict[str, str]:
    """Kafka deletes whole segments, once their newest record is old: with its own week a record may stay two."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(age.total_seconds() * 1000)),
        "segment.ms": str(SEGMENT_MS),
    }


async def check(settings: KafkaSettings, *, replicas: int | None = None) -> list[Difference]:
    """What differs from the registry; empty when all is well. `replicas` defaults to what a topic has, and for missing
    ones to 3, or to the number of brokers when there are fewer. Raises `aiokafka.errors.KafkaError` when the cluster
    can't be asked.
    """
    async with _admin(settings) as admin:
        return await _differences(admin, await _wanted(admin, replicas))


async def apply(settings: KafkaSettings, *, replicas: int | None = None) -> list[Difference]:
    """Create what is missing and set what differs, wait until the cluster shows it, and return what differed before.
    Differences that aren't `repairable` are returned too and left alone.
    """
    async with _admin(settings) as admin:
        count = await _replicas(admin, replicas)
        wanted = {topic.name: topic for topic in await _wanted(admin, replicas)}
        differences = await _differences(admin, list(wanted.values()))
        missing = [wanted[found.topic] for found in differences if found.what == "topic"]
        changed = {found.topic for found in differences if found.what not in {"topic", "partitions"}}
        if missing:
            await create(admin, missing, replicas=count)
        if changed:
            await _configure(admin, [wanted[name] for name in sorted(changed)])
        return differences


async def create(admin: AIOKafkaAdminClient, topics: Iterable[WantedTopic], *, replicas: int = 1) -> None:
    """Create topics and wait until every partition has a leader. A topic that somebody else creates meanwhile is
    fine.
    """
    wanted = list(topics)
    new = [NewTopic(topic.name, topic.partitions, replicas, topic_configs=dict(topic.config)) for topic in wanted]
    response = await admin.create_topics(new)
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise TopicsRefused(f"{name} was not created: {error.__name__} {message[0] if message else ''}".rstrip())
    await _until(admin, lambda shown: all(_led(shown.get(topic.name), topic.partitions) for topic in wanted))


async def _until(admin: AIOKafkaAdminClient, done: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
    async with asyncio.timeout(_SECONDS_UNTIL_VISIBLE):
        while not done({shown["topic"]: shown for shown in await admin.describe_topics()}):
            await asyncio.sleep(0.02)


def _led(shown: Mapping[str, Any] | None, partitions: int) -> bool:
    if shown is None or len(shown["partitions"]) < partitions:
        return False
    return all(partition["leader"] >= 0 and not partition["error_code"] for partition in shown["partitions"])


async def _wanted(admin: AIOKafkaAdminClient, replicas: int | None) -> list[WantedTopic]:
    """Where no number of copies is asked for, a topic that is there keeps its own: with as many `min.insync.replicas`
    as copies it couldn't be written while a broker restarts.
    """
    wanted = wanted_topics(replicas=await _replicas(admin, replicas))
    if replicas is not None:
        return wanted
    own = {topic["topic"]: len(topic["partitions"][0]["replicas"]) for topic in await admin.describe_topics()}
    return [
        replace(one, config={**one.config, **min_insync(own[one.name])}) if one.name in own else one for one in wanted
    ]


async def _replicas(admin: AIOKafkaAdminClient, asked: int | None) -> int:
    if asked is not None:
        return asked
    brokers = (await admin.describe_cluster())["brokers"]
    return min(PRODUCTION_REPLICAS, max(1, len(brokers)))


async def _differences(admin: AIOKafkaAdminClient, wanted: list[WantedTopic]) -> list[Difference]:
    shown = {topic["topic"]: topic for topic in await admin.describe_topics()}
    present = [topic for topic in wanted if topic.name in shown]
    configs = await _configs(admin, [topic.name for topic in present], only="all")
    found = [Difference(topic.name, "topic", "present", None) for topic in wanted if topic.name not in shown]
    for topic in present:
        partitions = len(shown[topic.name]["partitions"])
        if partitions != topic.partitions:
            found.append(Difference(topic.name, "partitions", str(topic.partitions), str(partitions)))
        actual = configs[topic.name]
        found += [
            Difference(topic.name, key, value, actual.get(key))
            for key, value in topic.config.items()
            if actual.get(key) != value
        ]
    return found


async def _configs(
    admin: AIOKafkaAdminClient, names: list[str], *, only: Literal["all", "overrides"]
) -> dict[str, dict[str, str]]:
    """Settings by topic: all that are in force, or only those set on the topic itself."""
    if not names:
        return {}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, message, _, name, entries in answer.resources:
            if code:
                raise TopicsRefused(f"the settings of {name} can't be read: {for_code(code).__name__} {message or ''}")
            # An entry is (name, value, read only, source, sensitive, ...) from version 1 of the protocol on.
            found[name] = {entry[0]: entry[1] for entry in entries if only == "all" or entry[3] == _TOPIC_OVERRIDE}
    return found


async def _configure(admin: AIOKafkaAdminClient, topics: list[WantedTopic]) -> None:
    """Set what the registry wants and keep an operator's other settings: the request replaces all of a topic's."""
    kept = await _configs(admin, [topic.name for topic in topics], only="overrides")
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, {**kept[topic.name], **topic.config}) for topic in topics
    ]
    for answer in await admin.alter_configs(resources):
        for code, message, _, name in answer.resources:
            if code:
                raise TopicsRefused(f"{name} was not changed: {for_code(code).__name__} {message or ''}".rstrip())
    async with asyncio.timeout(_SECONDS_UNTIL_VISIBLE):
        while any(found.repairable for found in await _differences(admin, topics)):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection_options(settings))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


__all__ = ["Difference", "KafkaError", "TopicsRefused", "WantedTopic", "apply", "check", "create", "wanted_topics"]
