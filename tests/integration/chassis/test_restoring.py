"""What `okno restore` reads of the log besides the records themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from aiokafka import TopicPartition

from chassis import restoring
from chassis.dead_letters import PREFIX, bury
from chassis.kafka import make_producer
from chassis.records import Culprit
from chassis.restoring import Place
from chassis.settings import KafkaSettings
from sandbox.stack.kafka.server import EmbeddedKafka
from tests import topic_reader

TOPIC = "chat.replies.v1"
TP = TopicPartition(TOPIC, 0)
LETTERS = (
    ("the record's", 0, 0),
    ("a former one's", 1, -5),
    ("of before letters had times", 2, None),
    ("no record's", 9, 0),
)
"""Why, offset, and milliseconds after the record."""


async def test_a_letter_of_a_former_topic_is_none_of_the_record_at_its_offset(
    kafka: EmbeddedKafka, registry_topics: None
) -> None:
    """Told by the time of the record: the topic was made anew, the topic of its dead letters wasn't."""
    settings = KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    producer = make_producer(settings)
    await producer.start()
    for value in (b"0", b"1", b"2"):
        await producer.send_and_wait(TOPIC, value, b"key", partition=0)
    (first, *_) = raws = await topic_reader.records(kafka.bootstrap_servers, TOPIC)
    for name, offset, later in LETTERS:
        raw = raws[offset] if offset < len(raws) else replace(first, offset=offset)
        raw = replace(raw, timestamp=raw.timestamp + (later or 0))
        row = bury(Culprit(raw, ValueError(name)), consumer="notifier", at=datetime.now(UTC))
        headers = [one for one in row.headers if later is not None or one[0] != f"{PREFIX}timestamp"]
        await producer.send_and_wait(row.topic, row.value, row.key, partition=0, headers=headers)
    await producer.stop()
    async with restoring.reading(settings) as log:
        places = {TP: Place(None, (await log.logs([TOPIC]))[TP])}
        found = await restoring.letters_since(log, "notifier", places)
    assert found[TP].keys() == {0, 2}
