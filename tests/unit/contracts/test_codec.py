"""A record that breaks its contract is named, never let through; its values are never shown."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from contracts.chat import Author, Channel, ChannelType
from contracts.chat_events_v1 import MessagePosted
from contracts.codec import ContractError, Encoded, decode, encode
from contracts.keys import Platform, message_key, slack_channel, slack_person
from contracts.topics import MAX_RECORD_BYTES

NOW = datetime(2024, 5, 21, 16, 26, 40, tzinfo=UTC)


def posted(text: str = "hello") -> MessagePosted:
    key = slack_channel("C1")
    return MessagePosted(
        channel=Channel(key=key, platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC),
        occurred_at=NOW,
        received_at=NOW,
        message_key=message_key(key, "1.000001"),
        author=Author(key=slack_person("U1")),
        text=text,
    )


def encoded(text: str = "hello") -> Encoded:
    return encode(posted(text), source="okno/test", time=NOW, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")


def test_a_record_survives_the_journey() -> None:
    record = encoded("<&> \N{SNOWMAN}")
    envelope = decode(record.topic, record.headers, record.value)
    assert envelope.data == posted("<&> \N{SNOWMAN}")
    assert envelope.id == "slack:C1:1.000001"
    assert envelope.traceparent == "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    assert record.key == b"slack:C1"


def test_a_field_that_a_newer_writer_added_is_ignored() -> None:
    record = encoded()
    value = record.value[:-1] + b',"mood":"calm"}'
    assert decode(record.topic, record.headers, value).data == posted()


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("header_not_utf8", lambda r: decode(r.topic, [*r.headers, ("x", b"\xff")], r.value)),
        ("header_missing", lambda r: decode(r.topic, r.headers[2:], r.value)),
        ("unknown_type", lambda r: decode(r.topic, [*r.headers, ("ce_type", b"okno.nothing.v9")], r.value)),
        ("unknown_type", lambda r: decode("ticket.events.v1", r.headers, r.value)),
        ("no_value", lambda r: decode(r.topic, r.headers, None)),
        ("bad_time", lambda r: decode(r.topic, [*r.headers, ("ce_time", b"noon")], r.value)),
        ("bad_value", lambda r: decode(r.topic, r.headers, b"\xff\xfe")),
        ("bad_value", lambda r: decode(r.topic, r.headers, b"{")),
        ("bad_value", lambda r: decode(r.topic, r.headers, b'{"text": "secret words"}')),
    ],
)
def test_what_breaks_the_contract_is_named(code: str, spoil: Callable[[Encoded], object]) -> None:
    with pytest.raises(ContractError) as refusal:
        spoil(encoded())
    assert refusal.value.code == code
    assert "secret words" not in str(refusal.value)


def test_a_value_over_the_limit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ContractError) as refusal:
        encoded("x" * MAX_RECORD_BYTES)
    assert refusal.value.code == "too_large"
