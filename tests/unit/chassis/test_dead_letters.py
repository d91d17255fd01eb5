from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from chassis.dead_letters import FIRST, bury, parse
from chassis.errors import Fatal, Poison
from chassis.records import Culprit
from contracts.topics import TOPIC_MAX_MESSAGE_BYTES

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def raw(value: bytes | None = b"\xff\x00", headers: Any = (("ce_id", b"1"), ("odd", None), ("odd", b"\xfe"))) -> Any:
    return ConsumerRecord("chat.events.v1", 7, 42, 1, 0, b"slack:C1", value, None, 0, 0, tuple(headers))


def letter(culprit: Culprit) -> Any:
    row = bury(culprit, consumer="router", at=AT, lane=7)
    return parse(row.topic, 7, 0, row.key, row.value, row.headers), row


def test_a_dead_letter_says_where_it_came_from_and_why() -> None:
    found, row = letter(Culprit(raw(), Poison("no_place", "nothing fits"), 3))
    assert (row.topic, row.lane) == ("chat.events.v1.dead", 7)
    assert (found.consumer, found.origin_topic, found.origin_partition, found.origin_offset) == (
        "router", "chat.events.v1", 7, 42,
    )  # fmt: skip
    assert (found.cause, found.attempts, found.at) == ("no_place", 3, AT.isoformat())
    assert "nothing fits" in found.error
    assert found.id == "router:chat.events.v1:7:42:1"


def test_key_value_and_headers_are_kept_as_they_were() -> None:
    found, _ = letter(Culprit(raw(), Poison("x")))
    assert found.key == b"slack:C1"
    assert found.value == b"\xff\x00"
    assert found.headers == [("ce_id", b"1"), ("odd", None), ("odd", b"\xfe")]
    assert not found.truncated


def test_a_value_without_room_for_the_cause_is_cut_and_says_so() -> None:
    found, row = letter(Culprit(raw(b"x" * TOPIC_MAX_MESSAGE_BYTES), Poison("x")))
    assert found.truncated
    assert row.size < TOPIC_MAX_MESSAGE_BYTES - 1024


def test_a_replayed_record_that_dies_again_has_one_set_of_causes() -> None:
    headers = [("ce_id", b"1"), ("okno-dead-cause", b"first")]
    found, row = letter(Culprit(raw(headers=headers), Poison("second")))
    assert found.cause == "second"
    assert [name for name, _ in row.headers].count("okno-dead-cause") == 1


def test_a_dead_letter_has_no_dead_letter() -> None:
    """It would stand on a topic that doesn't exist, and the relay behind it for ever."""
    error = Poison("no_room", "nothing fits")
    dead = ConsumerRecord("chat.events.v1.dead", 7, 42, 1, 0, b"slack:C1", b"x", None, 0, 0, ())
    with pytest.raises(Fatal, match=r"chat\.events\.v1\.dead partition 7 offset 42.*no_room.*nothing fits") as raised:
        bury(Culprit(dead, error), consumer="ticketing-dead-letters", at=AT)
    assert raised.value.__cause__ is error


def test_a_record_of_a_dead_topic_without_our_headers_is_still_readable() -> None:
    found = parse("chat.events.v1.dead", 1, 2, None, None, [("okno-dead-offset", b"many")])
    assert found.origin_topic == "chat.events.v1"
    assert found.origin_offset == -1


def test_a_letter_of_an_older_version_keeps_its_id() -> None:
    found, row = letter(Culprit(raw(), Poison("x")))
    headers = [header for header in row.headers if header[0] != "okno-dead-timestamp"]
    older = parse(row.topic, 7, 0, row.key, row.value, headers)
    assert (older.id, found.id) == ("router:chat.events.v1:7:42", "router:chat.events.v1:7:42:1")


def test_a_replayed_record_that_dies_again_keeps_the_place_where_it_first_stood() -> None:
    first, _ = letter(Culprit(raw(), Poison("first")))
    assert first.first_offset == 42
    again, _ = letter(Culprit(raw(headers=[*first.headers, (FIRST, b"router:5")]), Poison("second")))
    assert (again.origin_offset, again.first_offset) == (42, 5)
    assert FIRST not in dict(again.headers)
    for other in (b"ticketing:5", "router:\u0665".encode(), b"5"):
        odd, _ = letter(Culprit(raw(headers=[(FIRST, other)]), Poison("x")))
        assert odd.first_offset == 42, "of another consumer, or none of ours"
