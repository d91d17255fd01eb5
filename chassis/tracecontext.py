"""The W3C trace context: a `traceparent` is handed on unchanged, or replaced by a child's; it is never lost.

Nothing here knows OpenTelemetry, so that a process without traces doesn't load it.
https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import random
import re
from contextvars import ContextVar
from typing import NamedTuple

_PATTERN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16

current_traceparent: ContextVar[str | None] = ContextVar("current_traceparent", default=None)
"""The context of what runs now, sampled or not: parent of new spans, and the ids in log lines."""


class TraceParent(NamedTuple):
    """The parts of a `traceparent` header."""

    trace_id: str
    span_id: str
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(traceparent: str | None) -> TraceParent | None:
    """The parts, or None when there is none or it isn't valid: a wrong header starts a new trace, it is no error."""
    if not traceparent:
        return None
    match = _PATTERN.match(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags = match.groups()
    rest = len(traceparent) - match.end()
    if version == "ff" or (version == "00" and rest) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & 1))


def unsampled_root() -> str:
    """A new trace that nobody records; its ids still join the log lines of one journey."""
    return f"00-{random.getrandbits(128) or 1:032x}-{random.getrandbits(64) or 1:016x}-00"
