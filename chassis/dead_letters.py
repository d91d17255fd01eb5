"""A dead letter is the record as it was, with headers that say where it came from and why it is here.

It is written through the consumer's outbox in the transaction that moves the position: exactly one dead letter a poison
record. Key, value and headers are kept, so that the original can be published again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import TopicPartition

from chassis.error_text import describe
from chassis.errors import Fatal, cause_of
from chassis.kafka import make_consumer
from chassis.outbox import OutboxRow
from chassis.records import RELEASE, Culprit, Header
from chassis.settings import KafkaSettings
from contracts.topics import TOPIC_MAX_MESSAGE_BYTES, dead_topic, original_topic

PREFIX = "okno-dead-"
FIRST = f"{PREFIX}first"
"""Header of a replayed record, `<consumer>:<offset>`: whose letter it was, and where the record first stood. Put aside
again by that consumer, it keeps its place in the line."""
FORCE = f"{PREFIX}force"
"""Header of a replayed record that goes out of its turn."""
PARKS = f"{PREFIX}parks"
"""Header of a dead letter whose consumer parks its key: it is to be told when the letter is settled (RELEASE)."""
_ROOM = 4096


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of a `.dead` topic. `partition` and `offset` are its own; `origin_*` are the original record's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    """The original record's."""
    consumer: str
    origin_topic: str
    origin_partition: int
    origin_offset: int
    first_offset: int
    """Where the record stood before it was first replayed: the order of a key's dead letters."""
    cause: str
    error: str
    attempts: int
    at: str
    timestamp: int
    """The original record's, in milliseconds since 1970; -1 where an older version put it aside."""
    truncated: bool
    parks: bool

    @property
    def id(self) -> str:
        """The same for every copy of this dead letter.

        With the record's time: offsets come again when a topic is made anew, or on another cluster.
        """
        return self.place if self.timestamp < 0 else f"{self.place}:{self.timestamp}"

    @property
    def place(self) -> str:
        """The `id` that older versions know it by."""
        return f"{self.consumer}:{self.origin_topic}:{self.origin_partition}:{self.origin_offset}"


def is_dead(topic: str) -> bool:
    """Whether dead letters are in it."""
    return original_topic(topic) != topic


def header_of(headers: Sequence[Header], name: str) -> str:
    """A header's text, empty where it is missing."""
    return next((content for key, content in headers if key == name and content), b"").decode(errors="replace")


def first_offset(headers: Sequence[Header], consumer: str, offset: int) -> int:
    """Where a record first stood that this consumer had put aside before; else the given offset, its own."""
    whose, _, first = header_of(headers, FIRST).rpartition(":")
    return int(first) if whose == consumer and _is_offset(first) else offset


def released(headers: Sequence[Header], consumer: str) -> tuple[int, int] | None:
    """Partition and offset of this consumer's dead letter that a record tells the end of."""
    rest, _, offset = header_of(headers, RELEASE).rpartition(":")
    whose, _, partition = rest.rpartition(":")
    if whose == consumer and _is_offset(partition) and _is_offset(offset):
        return int(partition), int(offset)
    return None


def bury(culprit: Culprit, *, consumer: str, at: datetime, lane: int = 0, parks: bool = False) -> OutboxRow:
    """The dead letter of a record. A value too large to be published with these headers is cut.

    Raises Fatal for a record of a dead topic: there is no topic for its dead letter.
    """
    raw = culprit.raw
    if is_dead(raw.topic):
        raise Fatal(
            f"{consumer} can't process the dead letter {raw.topic} partition {raw.partition} offset {raw.offset}, and a"
            f" dead letter has no dead letters: {cause_of(culprit.error)}: {describe(culprit.error)}"
        ) from culprit.error
    value = raw.value
    added = {
        "consumer": consumer,
        "topic": raw.topic,
        "partition": str(raw.partition),
        "offset": str(raw.offset),
        "first": f"{consumer}:{first_offset(raw.headers, consumer, raw.offset)}",
        "cause": cause_of(culprit.error),
        "error": describe(culprit.error),
        "attempts": str(culprit.attempts),
        "at": at.astimezone(UTC).isoformat(),
        "timestamp": str(raw.timestamp),
    }
    headers: list[Header] = [header for header in raw.headers if not header[0].startswith(PREFIX)]
    taken = sum(len(name) + len(content or b"") + 8 for name, content in headers) + len(raw.key or b"")
    room = TOPIC_MAX_MESSAGE_BYTES - _ROOM - taken
    if parks:
        added["parks"] = "1"
    if value is not None and len(value) > room:
        added["truncated"] = str(len(value))
        value = value[: max(0, room)]
    headers += [(PREFIX + name, text.encode()) for name, text in added.items()]
    return OutboxRow(dead_topic(raw.topic), raw.key, value, headers, lane)


def parse(
    topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None, headers: Sequence[Header]
) -> DeadLetter:
    """What a record of a `.dead` topic says; headers that are missing or broken come out empty or as -1."""
    said = {name.removeprefix(PREFIX): content or b"" for name, content in headers if name.startswith(PREFIX)}

    def text(name: str) -> str:
        return said.get(name, b"").decode(errors="replace")

    def number(name: str) -> int:
        return int(text(name)) if _is_offset(text(name)) else -1

    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        value=value,
        headers=[header for header in headers if not header[0].startswith(PREFIX)],
        consumer=text("consumer"),
        origin_topic=text("topic") or original_topic(topic),
        origin_partition=number("partition"),
        origin_offset=number("offset"),
        first_offset=first_offset(headers, text("consumer"), number("offset")),
        cause=text("cause"),
        error=text("error"),
        attempts=number("attempts"),
        at=text("at"),
        timestamp=number("timestamp"),
        truncated="truncated" in said,
        parks="parks" in said,
    )


def _is_offset(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


async def read(settings: KafkaSettings, topic: str) -> AsyncIterator[DeadLetter]:
    """The dead letters of a `.dead` topic that are there now, partition by partition."""
    consumer = make_consumer(settings, group=None, instance=None)
    await consumer.start()
    try:
        numbers = await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - there is no public way to ask
        chosen = [TopicPartition(topic, number) for number in sorted(numbers)]
        starts, ends = await consumer.beginning_offsets(chosen), await consumer.end_offsets(chosen)
        for tp in chosen:
            begin, end = starts[tp], ends[tp]
            if begin >= end:
                continue
            consumer.assign([tp])
            consumer.seek(tp, begin)
            while begin < end:
                for raw in (await consumer.getmany(tp, timeout_ms=500)).get(tp, []):
                    begin = raw.offset + 1
                    if raw.offset < end:
                        yield parse(topic, tp.partition, raw.offset, raw.key, raw.value, raw.headers)
                begin = max(begin, await consumer.position(tp))
    finally:
        await consumer.stop()
