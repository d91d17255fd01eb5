"""Accepted means kept: `Intake.take` returns only after Kafka has acknowledged every record of a payload (`acks=all`).

When it raises, nothing was promised: the platform sends again, and the derived ids make a second copy harmless.
"""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)
from pydantic_core import PydanticSerializationError

from chassis import metrics
from chassis.dead_letters import PREFIX
from chassis.error_text import describe
from chassis.faults import fault_point
from chassis.kafka import partition_of
from chassis.logs import get_logger
from chassis.telemetry import EVENT_ID, start_span
from contracts.codec import ContractError, Encoded, encode
from contracts.topics import TOPICS, dead_topic, original_topic
from services.ingest.catch_up import CatchUp
from services.ingest.parsed import NotYet, Parsed, storable

EVENTS_TOPIC = "chat.events.v1"
PUBLISH_SECONDS = 2.0
"""Longest wait for Kafka. Slack gives a webhook three seconds ("The Events API")."""
MAX_IN_FLIGHT = 2000
"""Payloads being published at once; beyond it the answer is an immediate 503, so that memory stays bounded."""

FULL = "too many in flight"
UNPARSABLE, TOO_LARGE = "unparsable", "too_large"
"""The causes of ingest's dead letters."""

BROKEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, RecursionError)
"""What a pure parser raises on a payload that breaks its own shape: pydantic's ValidationError is a ValueError, and a
time out of range is an OverflowError or an OSError.
"""

_UNSTORABLE = re.compile(rb"\\u(0000|[dD][89a-fA-F])")
"""How JSON writes a NUL or half a surrogate pair; also a whole pair, and such a text after a backslash."""
TOKEN = "token"  # noqa: S105  the field's name
"""Slack's verification token stands in each payload: deprecated, but whoever has it passes for Slack elsewhere."""
_TOKEN_MEMBER = re.compile(
    b'"(?i:%s)"' % b"".join(b"(?:%c|\\\\u%04x)" % (letter, letter) for letter in TOKEN.encode())
    + rb'\s*+:\s*+"(?:[^"\\]++|\\.)*+"'
)
"""Such a member of a JSON text, its name written with or without escapes. Within a string a quote is escaped: what
matches is a whole member, and without its value the text is still JSON.
"""

_SENDING = {
    "messaging.system": "kafka", "messaging.operation.type": "send", "messaging.destination.name": EVENTS_TOPIC,
}  # fmt: skip
Parse = Callable[[dict[str, Any], datetime], Parsed]
log = get_logger(__name__)


class Unavailable(Exception):
    """Kafka didn't take the records in time, or it is too early to read them. Answer 503; the platform sends again."""


class ProducerStuck(Exception):
    """Kafka takes nothing more from this producer, whose numbers it has lost; only a new one, so a restart, helps."""


_STUCK = (OutOfOrderSequenceNumber, InvalidProducerEpoch, ProducerFenced)


class TooLarge(Exception):
    """Neither the payload's event nor its raw form fits a record. Answer 413."""


class Intake:
    """One platform's way from a payload to Kafka. `process` names the process in the records' source."""

    def __init__(
        self, producer: AIOKafkaProducer, parse: Parse, *, platform: str, process: str, catch_up: CatchUp | None = None
    ) -> None:
        self._producer = producer
        self._parse = parse
        self._platform = platform
        self._process = process
        self._catch_up = catch_up
        self._in_flight = 0
        self._stuck = asyncio.Event()

    async def watch(self) -> None:
        """Raises ProducerStuck, or waits for ever: to be run beside, so that the process ends and starts anew."""
        await self._stuck.wait()
        raise ProducerStuck("Kafka has lost this producer's numbers (OutOfOrderSequenceNumber); a restart mends it")

    async def take(self, body: bytes, payload: dict[str, Any], *, received_at: datetime | None = None) -> None:
        """Publish what `payload` says; `body` is its raw form, kept whole if the parser breaks on it or its event fits
        no record: asked for again it would be no better, and behind an update that is refused Telegram holds its chat.

        Raises Unavailable or TooLarge.
        """
        if self._in_flight >= MAX_IN_FLIGHT:
            if self._catch_up is not None:
                self._catch_up.fail([FULL])
            raise Unavailable("too many payloads wait for Kafka")
        self._in_flight += 1
        try:
            await self._take(body, payload, received_at or datetime.now(UTC))
        finally:
            self._in_flight -= 1

    async def _take(self, body: bytes, payload: dict[str, Any], received_at: datetime) -> None:
        try:
            if _UNSTORABLE.search(body):
                payload = storable(payload)
            parsed = self._parse(payload, received_at)
        except NotYet as error:
            raise Unavailable(str(error)) from error
        except BROKEN as error:
            await self._keep_raw(body, payload, error, UNPARSABLE)
            return
        if not parsed.known:
            metrics.payloads_unknown.labels(self._platform, _label(parsed.kind)).inc()
            log.info("payload of an unknown type", platform=self._platform, type=_label(parsed.kind))
        if not parsed.records:
            return
        with start_span(f"{self._process} publish", kind="producer", attributes=_SENDING) as span:
            span.set(EVENT_ID, parsed.records[0].record_id)
            try:
                await self._publish(self._encode(parsed, received_at, span.traceparent))
            except PydanticSerializationError as error:  # a name or an id that is no UTF-8
                await self._keep_raw(body, payload, error, UNPARSABLE)
                return
            except (ContractError, TooLarge) as error:
                await self._keep_raw(body, payload, error, TOO_LARGE)
                return
        for record in parsed.records:
            metrics.events_published.labels(self._platform, record.TYPE).inc()
        await fault_point("ingest.published")

    def _encode(self, parsed: Parsed, received_at: datetime, traceparent: str) -> list[Encoded]:
        source = f"okno/{self._process}"
        return [encode(record, source=source, time=received_at, traceparent=traceparent) for record in parsed.records]

    async def _keep_raw(self, body: bytes, payload: dict[str, Any], error: Exception, cause: str) -> None:
        """The dead letter of a payload: its body as it came, but for a verification token."""
        if TOKEN in payload:
            body = _TOKEN_MEMBER.sub(b'"token":""', body)
        metrics.payloads_broken.labels(self._platform).inc()
        log.warning("payload kept in the dead letters", platform=self._platform, cause=cause, error=describe(error))
        said = {
            "consumer": self._process,
            "topic": EVENTS_TOPIC,
            "cause": cause,
            "error": describe(error),
            "attempts": "1",
            "at": datetime.now(UTC).isoformat(),
        }
        headers = [(PREFIX + name, text.encode()) for name, text in said.items()]
        await self._publish([Encoded(dead_topic(EVENTS_TOPIC), self._platform.encode(), body, headers)])

    async def _publish(self, records: list[Encoded]) -> None:
        """Hand all records over in order, then wait for all acknowledgements.

        After a timeout Kafka may still take them: the platform's second try brings the same ids.
        """
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                waiting = [
                    await self._producer.send(record.topic, record.value, key=record.key, headers=record.headers)
                    for record in records
                ]
                for acknowledgement in waiting:
                    await acknowledgement
        except MessageSizeTooLargeError as error:  # the key and the headers count too
            raise TooLarge(describe(error)) from error
        except (KafkaError, TimeoutError) as error:
            if isinstance(error, _STUCK):
                self._stuck.set()
            if self._catch_up is not None:
                self._catch_up.fail(map(_partition_of, records))
            raise Unavailable(f"Kafka did not acknowledge: {describe(error)}") from error
        if self._catch_up is not None and self._catch_up.failing:
            self._catch_up.work([FULL, *map(_partition_of, records)])


def raw(payload: Any) -> bytes:
    """The raw form of a payload that came parsed, as small as can be: it has to fit a record."""
    try:
        return orjson.dumps(payload)
    except TypeError:  # half a surrogate pair, a number of more than 64 bits, hundreds of levels
        return json.dumps(payload).encode()


def _partition_of(record: Encoded) -> str:
    """The part of Kafka that takes a record. One may be away while the others work, and nobody else would notice."""
    original = TOPICS[original_topic(record.topic)]
    return f"{record.topic}/{partition_of(record.key, original.partitions)}"


def _label(kind: str) -> str:
    """A payload names its own type; only sane ones become a label, so that nobody can fill the metrics."""
    return kind if len(kind) <= 40 and kind.replace("_", "").replace(".", "").isalnum() else "other"
