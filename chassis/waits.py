"""Where a sampled journey waited, and which batch worked on it: spans made after the fact, so that the bars of a trace
add up to the whole delay, whatever the service.

A record's way is: `outbox wait` (from its row until Kafka has it), `wait in <topic>` (from the producer's time in Kafka
until a consumer begins its batch), `process <topic>` (until the batch is committed). Kafka's times are whole
milliseconds by the producer's clock: a wait that would end before it began has no length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chassis import telemetry
from chassis.records import Header, Record

_NAME = "traceparent"
_KAFKA = {"messaging.system": "kafka"}


def consumed(consumer: str, records: Iterable[Record], *, ended: float, took: float) -> None:
    """After a batch's commit, `ended` in seconds since 1970; it took so many seconds."""
    if not telemetry.recording():
        return
    begun = ended - took
    for record in records:
        traceparent = None if record.envelope is None else record.envelope.traceparent
        if traceparent is None or telemetry.is_unsampled(traceparent):
            continue
        attributes: dict[str, telemetry.Attribute | None] = {
            **_KAFKA,
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": consumer,
        }
        arrived = min(record.timestamp / 1000, begun)
        telemetry.record_span(
            f"wait in {record.topic}", traceparent=traceparent, start=arrived, end=begun, attributes=attributes
        )
        telemetry.record_span(
            f"process {record.topic}",
            traceparent=traceparent,
            start=begun,
            end=ended,
            kind="consumer",
            attributes={**attributes, "messaging.operation.type": "process"},
        )


def published(rows: Iterable[tuple[str, Sequence[Header], float]], *, read_at: float, ended: float) -> None:
    """After Kafka has them; of each row its topic, headers, and age in seconds when it was read."""
    if not telemetry.recording():
        return
    for topic, headers, age in rows:
        traceparent = next((value for name, value in headers if name == _NAME), None)
        if traceparent is None or telemetry.is_unsampled(traceparent.decode()):
            continue
        telemetry.record_span(
            "outbox wait",
            traceparent=traceparent.decode(),
            start=read_at - age,
            end=ended,
            kind="producer",
            attributes={**_KAFKA, "messaging.operation.type": "send", "messaging.destination.name": topic},
        )
