"""A consumed record as handlers see it: decoded, with where it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from aiokafka import ConsumerRecord, TopicPartition

from chassis.errors import Poison
from contracts.base import RecordModel
from contracts.codec import Envelope
from contracts.topics import TOPICS

Header: TypeAlias = tuple[str, bytes | None]
Raw: TypeAlias = "ConsumerRecord[bytes, bytes]"
Decode: TypeAlias = Callable[[str, Iterable[Any], bytes | None], Envelope[RecordModel]]


class Record(NamedTuple):
    """`envelope` is None for a tombstone of a compacted topic (and for consumers that read raw records)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970, by the producer's clock."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    envelope: Envelope[RecordModel] | None


@dataclass(frozen=True, slots=True)
class Culprit:
    """A record that is to be dead-lettered, why, and at which attempt."""

    raw: Raw
    error: Exception
    attempts: int = 1


Polled: TypeAlias = dict[TopicPartition, list[Raw]]
"""What one poll gave: records in order of offset for each partition."""


def decode_all(
    polled: Polled, decode: Decode | None, compacted: Callable[[str], bool]
) -> tuple[list[Record], list[Culprit]]:
    """Decode record by record: one that can't be decoded costs none of its neighbours."""
    records: list[Record] = []
    culprits: list[Culprit] = []
    for tp, raws in polled.items():
        tombstones = compacted(tp.topic)
        for raw in raws:
            envelope = None
            if decode is not None and not (raw.value is None and tombstones):
                try:
                    envelope = decode(tp.topic, raw.headers, raw.value)
                except Exception as error:  # noqa: BLE001 - whatever a decoder stumbles over is the record's fault
                    culprits.append(Culprit(raw, error))
                    continue
            records.append(
                Record(tp.topic, tp.partition, raw.offset, raw.timestamp, raw.key, raw.value, raw.headers, envelope)
            )
    return records, culprits


def is_compacted(topic: str) -> bool:
    """What the registry says; a topic that isn't in it has no gaps to be expected."""
    found = TOPICS.get(topic)
    return found is not None and found.compacted


class ProcessKiller(Poison):
    """Each time this record was in hand alone, the process died."""

    def __init__(self, times: int) -> None:
        super().__init__("process_died", f"the process died {times} times while it handled this record alone")
