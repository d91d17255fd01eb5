"""Traces that cost nothing where nothing is recorded, and never slow or stop the pipeline where something is.

Invariants:
- The journey decides once, at its root, whether it is recorded (`TRACE_SAMPLE_RATIO`). An unsampled incoming
  `traceparent` is handed on unchanged and no span is created.
- A message keeps its own trace through batches and outboxes: its spans have its own context as parent and a link to
  the batch's span, never the batch as parent.
- Spans leave through a bounded queue in a thread of its own: a slow or absent collector loses spans, not time.
- Attributes hold ids, names of things and counts; never message text, people's names, tokens or error texts.

The OpenTelemetry SDK is imported only when a collector is configured. docs/telemetry.md lists spans and attributes.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from contextvars import Token
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from chassis.tracecontext import TraceParent, current_traceparent, parse, unsampled_root

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Link, SpanContext, Tracer
    from opentelemetry.trace import Span as OtelSpan

    from chassis.settings import ProcessSettings

TICKET_ID = "okno.ticket.id"
EVENT_ID = "okno.event.id"
CONVERSATION_ID = "okno.conversation.id"
DELIVERY_ID = "okno.delivery.id"
POLICY_VERSION = "okno.policy.version"
PLATFORM = "okno.platform"
RULE = "okno.rule"

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attribute = str | int | float | bool
Attributes = Mapping[str, Attribute | None]
"""Attributes whose value is None are left out."""
Time = datetime | float
"""An aware datetime, or seconds since 1970."""

MAX_LINKS = 64
QUEUE_SPANS = 8192
EXPORT_SPANS = 512
EXPORT_EVERY_MS = 1000
EXPORT_TIMEOUT_SECONDS = 5.0

_LENGTH = 55  # characters of a `traceparent`, version 00

_tracer: Tracer | None = None
_provider: TracerProvider | None = None
_ratio = 0.0


class Span:
    """A span that is not recorded: it only hands its context on. `with` makes that context the current one."""

    __slots__ = ("_token", "traceparent", "tracestate")

    recording = False

    def __init__(self, traceparent: str, tracestate: str | None = None) -> None:
        self.traceparent = traceparent
        self.tracestate = tracestate
        self._token: Token[str | None] | None = None

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, for logs and answers."""
        return self.traceparent[3:35]

    def set(self, key: str, value: Attribute | None) -> None:
        """Add one attribute."""

    def set_all(self, attributes: Attributes) -> None:
        """Add several attributes."""

    def link(self, traceparent: str | None) -> None:
        """Point to a span of another journey that belongs to this one."""

    def fail(self, error: BaseException | str) -> None:
        """Mark the span as failed with the error's type or a short code; its text stays out."""

    def end(self, at: Time | None = None) -> None:
        """Close the span, now or at the given time. `with` does it too; the second end counts for nothing."""

    def __enter__(self) -> Self:
        self._token = current_traceparent.set(self.traceparent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            current_traceparent.reset(self._token)
            self._token = None
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self.fail(error)
        self.end()


class RecordedSpan(Span):
    """A span that OpenTelemetry records and sends to the collector."""

    __slots__ = ("_span",)

    recording = True

    def __init__(self, span: OtelSpan, tracestate: str | None = None) -> None:
        context = span.get_span_context()
        flags = int(context.trace_flags)
        super().__init__(f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}", tracestate)
        self._span = span

    def set(self, key: str, value: Attribute | None) -> None:
        if value is not None:
            self._span.set_attribute(key, value)

    def set_all(self, attributes: Attributes) -> None:
        self._span.set_attributes(_present(attributes))

    def link(self, traceparent: str | None) -> None:
        context = parse(traceparent)
        if context is not None and context.sampled:
            self._span.add_link(_context(context))

    def fail(self, error: BaseException | str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", error if isinstance(error, str) else type(error).__qualname__)
        self._span.set_status(StatusCode.ERROR)

    def end(self, at: Time | None = None) -> None:
        if self._span.is_recording():
            self._span.end(None if at is None else _nanoseconds(at))


def start_span(
    name: str,
    *,
    traceparent: str | None = None,
    tracestate: str | None = None,
    kind: Kind = "internal",
    attributes: Attributes | None = None,
    links: Iterable[str | None] = (),
    start: Time | None = None,
) -> Span:
    """Start a span under `traceparent`; without one under the current span; without that as the root of a journey.

    Use it in `with`, or call `.end()`. `.traceparent` is what records, rows and requests carry on.
    """
    return _start(name, traceparent or current_traceparent.get(), tracestate, kind, attributes, links, start)


def start_batch_span(
    name: str, traceparents: Iterable[str | None], *, attributes: Attributes | None = None, kind: Kind = "consumer"
) -> Span:
    """Start the span of a batch: a journey of its own, recorded when one of its messages is, linked to those."""
    if _tracer is None:
        return Span(unsampled_root())
    sampled = [context for context in map(parse, traceparents) if context is not None and context.sampled]
    if not sampled:
        return Span(unsampled_root())
    return _record(name, None, None, kind, attributes, sampled[:MAX_LINKS], None)


def recording() -> bool:
    """Whether this process records any journeys."""
    return _tracer is not None


def exemplar(traceparent: str | None) -> dict[str, str] | None:
    """What leads from a histogram's bucket to the trace, where there is one."""
    context = parse(traceparent) if _tracer is not None else None
    return {"trace_id": context.trace_id} if context is not None and context.sampled else None


def is_unsampled(traceparent: str) -> bool:
    """Whether a record's context, which is our own, says that nothing is recorded: nine of ten, so not even parsed."""
    return traceparent.endswith("-00") and len(traceparent) == _LENGTH


def start_message_span(
    name: str,
    traceparent: str | None,
    *,
    batch: Span | None = None,
    tracestate: str | None = None,
    kind: Kind = "consumer",
    attributes: Attributes | None = None,
    start: Time | None = None,
) -> Span:
    """Start one message's span inside a batch: under the message's own context, linked to the batch's span.

    A message without a context starts a journey of its own; it never joins the batch's.
    """
    if traceparent is not None and is_unsampled(traceparent):
        return Span(traceparent, tracestate)
    links = (batch.traceparent,) if batch is not None and batch.recording else ()
    return _start(name, traceparent, tracestate, kind, attributes, links, start)


def record_span(
    name: str,
    *,
    traceparent: str | None,
    start: Time,
    end: Time | None = None,
    kind: Kind = "internal",
    attributes: Attributes | None = None,
    links: Iterable[str | None] = (),
) -> str:
    """Record a span after the fact, such as a row's wait in the outbox, and return the context to hand on.

    Unsampled or without a context: nothing is recorded and `traceparent` comes back as it is, or as a new
    unsampled root.
    """
    context = parse(traceparent)
    if context is None or traceparent is None:
        return unsampled_root()
    if _tracer is None or not context.sampled:
        return traceparent
    span = _start(name, traceparent, None, kind, attributes, links, start)
    span.end(end)
    return span.traceparent


def _start(
    name: str,
    traceparent: str | None,
    tracestate: str | None,
    kind: Kind,
    attributes: Attributes | None,
    links: Iterable[str | None],
    start: Time | None,
) -> Span:
    parent = parse(traceparent)
    if parent is None:
        if _tracer is None or random.random() >= _ratio:
            return Span(unsampled_root())
    elif _tracer is None or not parent.sampled:
        return Span(traceparent or str(parent), tracestate)
    sampled = [context for context in map(parse, links) if context is not None and context.sampled]
    return _record(name, parent, tracestate, kind, attributes, sampled, start)


def _record(
    name: str,
    parent: TraceParent | None,
    tracestate: str | None,
    kind: Kind,
    attributes: Attributes | None,
    links: list[TraceParent],
    start: Time | None,
) -> RecordedSpan:
    from opentelemetry import trace
    from opentelemetry.context import Context

    assert _tracer is not None  # noqa: S101
    context = Context()  # never the ambient one: the parent is always explicit
    if parent is not None:
        context = trace.set_span_in_context(trace.NonRecordingSpan(_context(parent)), context)
    return RecordedSpan(
        _tracer.start_span(
            name,
            context,
            trace.SpanKind[kind.upper()],
            None if attributes is None else _present(attributes),
            [_link(link) for link in links],
            None if start is None else _nanoseconds(start),
        ),
        tracestate,
    )


def _context(parent: TraceParent) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)


def _link(context: TraceParent) -> Link:
    from opentelemetry.trace import Link

    return Link(_context(context))


def _present(attributes: Attributes) -> dict[str, Attribute]:
    return {key: value for key, value in attributes.items() if value is not None}


def _nanoseconds(time: Time) -> int:
    seconds = time.timestamp() if isinstance(time, datetime) else time
    return round(seconds * 1_000_000) * 1000  # microseconds are what rows and records carry


def configure(settings: ProcessSettings, *, kind: str, name: str) -> None:
    """Start recording when a collector is configured; otherwise every journey stays unsampled."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from chassis.telemetry_export import CountingProcessor

    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS)
    processor = CountingProcessor(exporter, QUEUE_SPANS, every_ms=EXPORT_EVERY_MS, batch=EXPORT_SPANS)
    install(processor, ratio=settings.trace_sample_ratio, kind=kind, name=name)


def install(processor: SpanProcessor, *, ratio: float, kind: str = "test", name: str = "test") -> None:
    """Record through a span processor of one's own; `configure` does it for processes, tests do it in memory."""
    global _tracer, _provider, _ratio
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    _provider = TracerProvider(sampler=ALWAYS_ON, resource=_resource(kind, name), shutdown_on_exit=False)
    _provider.add_span_processor(processor)
    _tracer = _provider.get_tracer("okno")
    _ratio = ratio


def _resource(kind: str, name: str) -> Resource:
    from opentelemetry.sdk.resources import Resource

    return Resource.create({"service.namespace": "okno", "service.name": kind, "service.instance.id": name})


async def shutdown(seconds: float = 3.0) -> bool:
    """Send what is left, for at most so many seconds, and stop recording. False: some spans may be lost."""
    global _tracer, _provider
    provider, _provider, _tracer = _provider, None, None
    if provider is None:
        return True
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def send() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # the loop may be closed already: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=send, name="telemetry-shutdown", daemon=True).start()
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return False
    return True
