"""What a topic lost to retention, the campaign's log still knows."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from contracts.topics import TOPICS
from sandbox.stack.inside.log import Log
from sandbox.stack.kafka.server import EmbeddedKafka

TOPIC = "chat.events.v1"


async def test_expired_records_are_gone_from_kafka_and_known_to_the_check(
    kafka: EmbeddedKafka, registry_topics: None
) -> None:
    log, other = Log(kafka.bootstrap_servers), Log(kafka.bootstrap_servers)
    try:
        written = await log.write(TOPIC, [(str(n).encode(), []) for n in range(5)], key="slack:C1")
        partition = TopicPartition(TOPIC, written[0][0])
        assert await log.expire({TopicPartition(TOPIC, n): 0 for n in range(TOPICS[TOPIC].partitions)}) == 0
        assert await log.expire({partition: 2}) == 2
        assert await log.expire({partition: 3}) == 1
        assert [record.value for record in await log.since({}, TOPIC)] == [b"0", b"1", b"2", b"3", b"4"]
        assert [record.value for record in await log.since({partition: 2}, TOPIC)] == [b"2", b"3", b"4"]
        assert [record.value for record in await other.since({partition: 3}, TOPIC)] == [b"3", b"4"]
        with pytest.raises(OffsetOutOfRangeError):
            await other.since({partition: 2}, TOPIC)
    finally:
        await log.close()
        await other.close()
