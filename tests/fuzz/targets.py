"""What is fuzzed: each target takes any bytes and fails only where Okno would.

A parser may refuse a payload with the errors that ingest keeps in the dead letters; the codec with ContractError; the
converters refuse nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pydantic_core import PydanticSerializationError

from contracts.base import RecordModel
from contracts.chat import Person
from contracts.codec import ContractError, decode, encode
from contracts.keys import slack_person, telegram_person
from contracts.topics import MODELS, TOPIC_OF
from services.ingest.parsed import Parsed, clean, storable
from services.ingest.publish import BROKEN
from services.ingest.slack import parse as slack
from services.ingest.slack.text import mentioned_users, plain_text
from services.ingest.telegram import parse as telegram
from services.ingest.webhook import load_object
from services.notifier.slack import render as to_slack
from services.notifier.telegram import render as to_telegram

AT = datetime(2026, 1, 1, tzinfo=UTC)
BOT = telegram.Bot(7700, "okno_bot")
KINDS = sorted(MODELS)


def _published(parsed: Parsed) -> None:
    """What was parsed comes back from its record, as the same value and without a NUL."""
    for record in parsed.records:
        encoded = encode(record, source="fuzz", time=AT)
        assert b"\\u0000" not in encoded.value.replace(b"\\\\", b"")
        assert decode(encoded.topic, encoded.headers, encoded.value).data == record


def slack_payload(data: bytes) -> None:
    payload = load_object(data)
    if payload is None:
        return
    try:
        parsed = slack.parse(storable(payload), AT)
    except BROKEN:
        return
    _published(parsed)


def telegram_update(data: bytes) -> None:
    update = load_object(data)
    if update is None:
        return
    try:
        parsed = telegram.parse(storable(update), BOT, AT)
    except BROKEN:
        return
    _published(parsed)


def record(data: bytes) -> None:
    """The first byte chooses the model, the rest is its value: what decodes is the same when encoded again."""
    if not data:
        return
    model: type[RecordModel] = MODELS[KINDS[data[0] % len(KINDS)]]
    headers = [(f"ce_{name}", text) for name, text in (("id", b"x"), ("source", b"x"), ("time", b"2026-01-01T00:00Z"))]
    headers.append(("ce_type", model.TYPE.encode()))
    topic = TOPIC_OF[model].name
    try:
        value = decode(topic, headers, data[1:]).data
    except ContractError:
        return
    try:
        again = encode(value, source="fuzz", time=AT)
    except (ContractError, PydanticSerializationError):
        return
    assert decode(topic, again.headers, again.value).data == value


def headers(data: bytes) -> None:
    """Whatever the headers are, `decode` fails with ContractError only."""
    parts = data.split(b"\n")
    names = ("ce_id", "ce_type", "ce_source", "ce_time", "traceparent")
    try:
        decode("chat.events.v1", [*zip(names, parts, strict=False)], parts[-1])
    except ContractError:
        return


def slack_text(data: bytes) -> None:
    text = clean(data.decode(errors="surrogateescape"))
    plain_text(text).encode()
    mentioned_users(text)


def reply(data: bytes) -> None:
    """Every message of a reply keeps its platform's limits."""
    text = clean(data.decode(errors="replace"))
    for content in to_slack.render(text, [Person(key=slack_person("U1"), name="Ann")]):
        assert 0 < len(content.text.encode()) <= to_slack.MAX_BYTES
    for content in to_telegram.render(text, [Person(key=telegram_person(5), name="Ann")]):
        length = to_telegram.utf16_length(content.text)
        assert 0 < len(content.text) <= to_telegram.MAX_TEXT
        for entity in content.entities or []:
            offset, size = int(str(entity["offset"])), int(str(entity["length"]))
            assert 0 <= offset < offset + size <= length


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (slack_payload, telegram_update, record, headers, slack_text, reply)
}
