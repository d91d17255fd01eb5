"""A position that doesn't fit its log stops the consumer; a person's decision lets it go on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from chassis import positions
from chassis.kafka import cluster_id, group_offset
from chassis.positions import (
    PositionAfterEnd,
    PositionBeforeStart,
    PositionBehindGroup,
    PositionOfOtherCluster,
    PositionSetBack,
    PositionsRefused,
)
from tests.integration.chassis.world import World


async def read_ten(world: World) -> None:
    await world.produce([str(number).encode() for number in range(10)])
    async with world.consuming():
        await world.until_position(10)


async def set_back(world: World, offset: int) -> None:
    await world.database.pool.execute("UPDATE positions SET next_offset = $1", offset)
    await world.database.pool.execute("DELETE FROM seen WHERE record_offset >= $1", offset)


async def accept(world: World, offset: int) -> None:
    place = TopicPartition(world.topic, 0)
    async with world.database.transaction() as connection:
        await positions.accept(
            connection,
            world.consumer,
            place,
            next_offset=offset,
            cluster_id=await cluster_id(world.settings),
            group_offset=await group_offset(world.settings, world.consumer, place),
        )


async def test_a_database_set_back_to_an_earlier_copy_is_noticed_and_refused(world: World) -> None:
    await read_ten(world)
    await set_back(world, 4)
    with pytest.raises(PositionBehindGroup, match="offsets 4 to 9 were processed by a database that isn't this one"):
        await world.make_consumer().run()
    assert await world.position() == 4
    await accept(world, 4)
    async with world.consuming():
        await world.until_position(10)
    assert await world.seen_offsets() == list(range(10))


async def test_a_database_set_back_while_the_consumer_runs_is_noticed_at_the_next_record(world: World) -> None:
    await world.produce([str(number).encode() for number in range(10)])
    running = asyncio.create_task(world.make_consumer().run())
    await world.until_position(10)
    await set_back(world, 4)
    await world.produce([b"10"])
    with pytest.raises(PositionSetBack, match="offsets 4 to 9 were processed by a database that isn't this one"):
        await running
    assert await world.seen_offsets() == list(range(4))


async def test_an_empty_database_beside_a_group_that_has_read_is_refused(world: World) -> None:
    await read_ten(world)
    await world.database.pool.execute("DELETE FROM positions")
    with pytest.raises(PositionBehindGroup, match="it has no position, but the group has committed 10"):
        await world.make_consumer().run()


async def test_records_that_retention_took_before_they_were_read_are_named(
    world: World, kafka_admin: AIOKafkaAdminClient
) -> None:
    await read_ten(world)
    await world.produce([b"10", b"11", b"12"])
    await kafka_admin.delete_records({TopicPartition(world.topic, 0): RecordsToDelete(12)})
    with pytest.raises(PositionBeforeStart, match="offsets 10 to 11 are gone, its log starts at 12"):
        await world.make_consumer().run()
    await accept(world, 12)
    async with world.consuming():
        await world.until_position(13)
    assert (await world.seen())[-1] == b"12"


async def test_records_that_go_away_while_the_consumer_runs_are_named_too(
    world: World, kafka_admin: AIOKafkaAdminClient
) -> None:
    await read_ten(world)
    consumer = world.make_consumer()

    async def meanwhile(_: Any) -> None:
        await world.produce([b"10", b"11"])
        await kafka_admin.delete_records({TopicPartition(world.topic, 0): RecordsToDelete(12)})

    consumer._on_assigned = meanwhile
    with pytest.raises(PositionBeforeStart, match="offsets 10 to 11 are gone"):
        await consumer.run()


async def test_a_log_that_ends_before_the_position_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.assignment.END_PAUSE_SECONDS", 0.01)
    await read_ten(world)
    await world.database.pool.execute("UPDATE positions SET next_offset = 12")
    with pytest.raises(PositionAfterEnd, match="its position is 12, but its log ends at 10"):
        await world.make_consumer().run()


async def test_another_cluster_is_refused(world: World) -> None:
    await read_ten(world)
    await world.database.pool.execute("UPDATE positions SET cluster_id = 'elsewhere'")
    with pytest.raises(PositionOfOtherCluster, match="belongs to the Kafka cluster elsewhere"):
        await world.make_consumer().run()


@pytest.mark.parametrize("world", [3], indirect=True)
async def test_all_refused_partitions_are_told_at_once(world: World) -> None:
    for partition in range(3):
        await world.produce([b"x"], partition=partition)
    async with world.consuming():
        for partition in range(3):
            await world.until_position(1, partition)
    await world.database.pool.execute("UPDATE positions SET next_offset = 0 WHERE partition <> 1")
    with pytest.raises(PositionsRefused) as refused:
        await world.make_consumer().run()
    assert [error.partition.partition for error in refused.value.refused] == [0, 2]


async def test_a_new_consumer_begins_at_the_start_of_the_log(world: World, kafka_admin: AIOKafkaAdminClient) -> None:
    await world.produce([b"0", b"1", b"2"])
    await kafka_admin.delete_records({TopicPartition(world.topic, 0): RecordsToDelete(2)})
    async with world.consuming():
        await world.until_position(3)
    assert await world.seen() == [b"2"]
