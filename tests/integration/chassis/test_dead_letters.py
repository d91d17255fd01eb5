"""Dead letters on a real Kafka: found again, shown, and replayed as they were."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.dead_letters import DeadLetter, parse, read
from chassis.kafka import make_producer
from chassis.relay import Relay
from contracts.codec import ContractError
from contracts.topics import dead_topic
from sandbox.stack.kafka.server import EmbeddedKafka
from tests.integration.chassis.world import World

HEADERS = [("ce_id", b"1"), ("odd", b"\xff"), ("traceparent", b"00-a-b-01")]


@pytest.fixture
async def world(world: World, kafka_admin: Any, kafka: EmbeddedKafka) -> World:
    """With a topic for the dead letters, whose name is not free to choose."""
    from aiokafka.admin import NewTopic

    await kafka_admin.create_topics([NewTopic(dead_topic(world.topic), 1, 1)])
    return world


async def bury_one(world: World) -> list[DeadLetter]:
    await world.produce([b"0", b"data", b"1"], headers=HEADERS)
    async with world.consuming():
        await world.until_position(3)
    producer = make_producer(world.settings)
    await producer.start()
    relay = Relay(database=world.database, producer=producer, process="app-0")
    assert await relay.publish_once() == 1
    await producer.stop()
    return [letter async for letter in read(world.settings, dead_topic(world.topic))]


async def test_a_dead_letter_is_found_on_its_topic(world: World) -> None:
    [letter] = await bury_one(world)
    assert (letter.origin_topic, letter.origin_offset, letter.cause) == (world.topic, 1, "impossible")


async def test_dead_letters_of_one_batch_are_written_in_the_order_of_its_records(world: World) -> None:
    """What can't be decoded is known before what can't be handled."""

    def decoded(topic: str, headers: Any, value: bytes | None) -> Any:
        if value == b"undecodable":
            raise ContractError("bad_value", "the test said so")
        return None

    await world.produce([b"0", b"data", b"undecodable", b"data"])
    async with world.consuming(decode=decoded):
        await world.until_position(4)
    assert [parse("x.dead", 0, 0, row.key, row.value, row.headers).origin_offset for row in await world.outbox()] == [
        1, 2, 3,
    ]  # fmt: skip
