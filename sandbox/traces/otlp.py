"""OTLP over HTTP (protobuf) to spans. What can't be read is refused whole; unknown kinds of values become text."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from sandbox.traces.store import Span

_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


class NotOtlp(ValueError):
    """The body isn't an OTLP trace request."""


def parse(body: bytes) -> list[Span]:
    """The spans of a request's body (no longer compressed)."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise NotOtlp(f"not an OTLP trace request: {error}") from error
    spans: list[Span] = []
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        process = str(resource.get("service.instance.id") or resource.get("service.name") or "unknown")
        for scope_spans in resource_spans.scope_spans:
            spans += [_span(process, span) for span in scope_spans.spans]
    return spans


def _span(process: str, span: ProtoSpan) -> Span:
    failed = span.status.code == Status.STATUS_CODE_ERROR
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        name=span.name,
        kind=_KINDS.get(span.kind, "internal"),
        process=process,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        error=(span.status.message or "error") if failed else None,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    items: list[KeyValue] = list(pairs)
    return {item.key: _value(item.value) for item in items}


def _value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: _value(item.value) for item in value.kvlist_value.values}
        case _:
            return str(value)
