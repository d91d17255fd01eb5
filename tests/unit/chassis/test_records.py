from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from chassis.records import Decode, decode_all, is_compacted
from contracts.codec import decode as decode_record
from tests.unit.chassis.examples import encoded_read_thread


def raw(offset: int, value: bytes | None, headers: Any = (), topic: str = "chat.requests.v1") -> Any:
    return ConsumerRecord(topic, 0, offset, 1, 0, b"k", value, None, 0, 0, tuple(headers))


def decode(*raws: Any, decoder: Decode | None = decode_record) -> Any:
    return decode_all({TopicPartition(raws[0].topic, 0): list(raws)}, decoder, is_compacted)


def test_a_record_that_cannot_be_decoded_costs_none_of_its_neighbours() -> None:
    good = encoded_read_thread()
    records, culprits = decode(
        raw(1, good.value, good.headers),
        raw(2, b"\xff\xfe", good.headers),
        raw(3, good.value, [("ce_id", b"\xff")]),
        raw(4, good.value, [*good.headers[:2], ("ce_type", None)]),
        raw(5, good.value, good.headers),
    )
    assert [record.offset for record in records] == [1, 5]
    assert [culprit.raw.offset for culprit in culprits] == [2, 3, 4]
    assert records[0].envelope is not None


def test_a_tombstone_of_a_compacted_topic_is_a_record() -> None:
    records, culprits = decode(raw(1, None, topic="desk.staff.v1"))
    assert not culprits
    assert records[0].envelope is None


def test_a_record_without_value_elsewhere_is_not() -> None:
    _, culprits = decode(raw(1, None, encoded_read_thread().headers))
    assert len(culprits) == 1


def test_raw_consumers_get_everything() -> None:
    records, culprits = decode(raw(1, b"\xff"), raw(2, None), decoder=None)
    assert len(records) == 2
    assert not culprits
