import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, OutOfOrderSequenceNumber
from aiokafka.partitioner import DefaultPartitioner

from chassis.errors import Transient
from chassis.kafka import ProducerStuck, Publisher
from chassis.outbox import OutboxRow

PARTITIONS = 12


@dataclass
class Batch:
    rows: list[bytes] = field(default_factory=list)

    def append(self, *, key: bytes | None, value: bytes | None, **_: Any) -> object | None:
        if len(self.rows) == 3:  # full
            return None
        self.rows.append(value or b"")
        return object()


class Client:
    def __init__(self) -> None:
        self.answers = True

    async def fetch_all_metadata(self) -> None:
        if not self.answers:
            raise KafkaConnectionError("away")


class Producer:
    """Keeps batches; the test acknowledges them."""

    def __init__(self) -> None:
        self.client = Client()
        self.sent: list[tuple[int, list[bytes], asyncio.Future[None]]] = []
        self.arrived = asyncio.Event()
        self.refuses: Exception | None = None

    def create_batch(self) -> Batch:
        return Batch()

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(PARTITIONS))

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[None]:
        if self.refuses is not None:
            raise self.refuses
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent.append((partition, batch.rows, future))
        self.arrived.set()
        return future

    async def next(self, count: int = 1) -> list[tuple[int, list[bytes], asyncio.Future[None]]]:
        while len(self.sent) < count:
            self.arrived.clear()
            await self.arrived.wait()
        taken, self.sent = self.sent[:count], self.sent[count:]
        return taken


def rows(count: int, key: bytes = b"slack:C1") -> list[OutboxRow]:
    return [OutboxRow("t", key, str(number).encode()) for number in range(count)]


def publisher(producer: Producer, **options: Any) -> Publisher:
    return Publisher(cast("Any", producer), **options)


async def test_a_partition_is_chosen_as_every_kafka_client_does() -> None:
    keys = [f"telegram:7700:{number}".encode() for number in range(200)]
    made = publisher(Producer())
    chosen = [await made._partition("t", key) for key in keys]
    everything = list(range(PARTITIONS))
    assert chosen == [DefaultPartitioner()(key, everything, everything) for key in keys]


async def test_batches_of_a_partition_follow_each_other_acknowledged() -> None:
    producer = Producer()
    publishing = asyncio.create_task(publisher(producer).publish(rows(7)))
    order = []
    for _ in range(3):
        [(_, values, acknowledgement)] = await producer.next()
        assert not producer.sent, "the next batch must wait for this one's acknowledgement"
        order += values
        acknowledgement.set_result(None)
    await publishing
    assert order == [str(number).encode() for number in range(7)]


async def test_partitions_do_not_wait_for_each_other() -> None:
    producer = Producer()
    publishing = asyncio.create_task(publisher(producer).publish(rows(1, b"a") + rows(1, b"b") + rows(1, b"c")))
    for _, _, acknowledgement in await producer.next(3):
        acknowledgement.set_result(None)
    await publishing


async def test_after_a_failure_nothing_later_of_the_partition_is_published() -> None:
    producer = Producer()
    publishing = asyncio.create_task(publisher(producer).publish(rows(7)))
    [(_, _, acknowledgement)] = await producer.next()
    acknowledgement.set_exception(OutOfOrderSequenceNumber())
    with pytest.raises(ProducerStuck):
        await publishing
    assert not producer.sent


async def test_kafka_away_is_waited_for() -> None:
    producer = Producer()
    producer.refuses = KafkaTimeoutError()
    with pytest.raises(Transient):
        await publisher(producer).publish(rows(1))


async def test_a_producer_that_gets_no_acknowledgement_while_the_brokers_answer_is_stuck() -> None:
    producer = Producer()
    turns: list[None] = []
    with pytest.raises(ProducerStuck, match="though the brokers answer"):
        await publisher(producer, stuck_seconds=0).publish(rows(1), lambda: turns.append(None))
    assert turns, "the loop must be seen turning while it waits"


async def test_a_producer_that_waits_for_an_absent_kafka_is_not_stuck() -> None:
    producer = Producer()
    producer.client.answers = False
    waited = asyncio.Event()
    publishing = asyncio.create_task(publisher(producer, stuck_seconds=0).publish(rows(1), waited.set))
    [(_, _, acknowledgement)] = await producer.next()
    await waited.wait()
    acknowledgement.set_result(None)
    await publishing
