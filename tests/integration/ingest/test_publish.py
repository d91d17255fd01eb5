"""A producer whose numbers Kafka has lost publishes nothing more, for ever: its process ends for a new one."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OutOfOrderSequenceNumber

from chassis.errors import Fate, fate_of
from chassis.kafka import make_producer
from chassis.settings import KafkaSettings, read
from sandbox.stack.kafka.server import EmbeddedKafka
from services.ingest.publish import EVENTS_TOPIC, Intake, ProducerStuck, Unavailable
from services.ingest.slack.parse import parse
from tests.integration.ingest.support import Log

PAYLOAD: dict[str, Any] = {
    "type": "event_callback",
    "team_id": "T1",
    "event": {
        "type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "text": "hi",
        "ts": "1779379200.000100",
    },
}  # fmt: skip


async def test_a_producer_that_is_stuck_ends_its_process(kafka: EmbeddedKafka, log: Log) -> None:
    producer = make_producer(read(KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}))
    await producer.start()
    intake = Intake(producer, parse, platform="slack", process="ingest-slack")
    watch = asyncio.create_task(intake.watch())
    await intake.take(b"{}", PAYLOAD)
    assert not watch.done()
    numbers: Any = producer._txn_manager
    for partition in await producer.partitions_for(EVENTS_TOPIC):
        numbers.increment_sequence_number(TopicPartition(EVENTS_TOPIC, partition), 7)  # as after a batch that was lost
    with pytest.raises(Unavailable):
        await intake.take(b"{}", PAYLOAD)
    with pytest.raises(ProducerStuck):
        await watch
    await producer.stop()
    assert len(await log.records(EVENTS_TOPIC)) == 1


def test_a_relay_that_is_stuck_ends_its_process() -> None:
    assert fate_of(OutOfOrderSequenceNumber()) is Fate.FATAL
