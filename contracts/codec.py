"""Records: CloudEvents 1.0 in Kafka binary mode. Headers carry the envelope, the value is the model's JSON.

`decode` never lets a malformed record through and never fails with anything but `ContractError`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from contracts.base import RecordModel
from contracts.topics import MAX_RECORD_BYTES, MODELS, TOPIC_OF, TOPICS

T_co = TypeVar("T_co", bound=RecordModel, covariant=True)
CONTENT_TYPE = b"application/json"
SPEC_VERSION = b"1.0"


class ContractError(ValueError):
    """A record breaks its contract. `code` is stable for metrics and dead letters."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Envelope(NamedTuple, Generic[T_co]):
    """A decoded record. `time` is when the fact happened, `traceparent` the context it was published under."""

    id: str
    type: str
    source: str
    time: datetime
    data: T_co
    traceparent: str | None = None
    tracestate: str | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def encode(
    data: RecordModel,
    *,
    source: str,
    time: datetime,
    traceparent: str | None = None,
    tracestate: str | None = None,
) -> Encoded:
    """Raises ContractError `too_large` when the value is over `MAX_RECORD_BYTES`."""
    value = data.model_dump_json(exclude_none=True).encode()
    if len(value) > MAX_RECORD_BYTES:
        raise ContractError(
            "too_large", f"{data.TYPE} {data.record_id} has {len(value)} bytes; {MAX_RECORD_BYTES} are allowed"
        )
    headers = [
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", data.record_id.encode()),
        ("ce_type", data.TYPE.encode()),
        ("ce_source", source.encode()),
        ("ce_time", time.astimezone(UTC).isoformat().encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    if tracestate is not None:
        headers.append(("tracestate", tracestate.encode()))
    return Encoded(TOPIC_OF[type(data)].name, data.record_key.encode(), value, headers)


def decode(topic: str, headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Envelope[RecordModel]:
    """Raises ContractError with what is wrong: headers, an unknown type, a value that is not of its model."""
    try:
        named = {name: content.decode() for name, content in headers}
    except UnicodeDecodeError as error:
        raise ContractError("header_not_utf8", f"a header is not UTF-8: {error}") from error
    missing = [name for name in ("ce_id", "ce_type", "ce_source", "ce_time") if name not in named]
    if missing:
        raise ContractError("header_missing", f"CloudEvents headers are missing: {', '.join(missing)}")
    model = MODELS.get(named["ce_type"])
    if model is None or (topic in TOPICS and model not in TOPICS[topic].models):
        raise ContractError("unknown_type", f"type {named['ce_type']!r} does not belong to topic {topic}")
    if value is None:
        raise ContractError("no_value", "the record has no value")
    try:
        time = datetime.fromisoformat(named["ce_time"])
    except ValueError as error:
        raise ContractError("bad_time", f"ce_time {named['ce_time']!r} is not an ISO 8601 time") from error
    try:
        data = model.model_validate_json(value)
    except ValidationError as error:
        raise ContractError("bad_value", _explain(model, error)) from error
    return Envelope(
        named["ce_id"],
        named["ce_type"],
        named["ce_source"],
        time,
        data,
        named.get("traceparent"),
        named.get("tracestate"),
    )


def _explain(model: type[RecordModel], error: ValidationError) -> str:
    """Names fields and faults but shows no values: they may be message text."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'value'}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)[:5]
    ]
    return f"not a {model.TYPE}: {'; '.join(faults)}"
