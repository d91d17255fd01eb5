"""One line per happening on standard output, with the ids that lead to the rest, and never a message's text.

    log = get_logger("router")
    log.info("batch_committed", records=12)

    with bound(event_id=..., ticket_id=...):      # everything logged inside carries them
        ...

The first argument is a fixed name (`snake_case`); what varies goes into fields. Every line has time, level, source,
process, and trace and span id when there is a current context. Libraries' own logging comes out in the same shape,
no chattier than WARNING where they would write requests, tokens or bodies. A disabled level costs one method call.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

import orjson
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, merge_contextvars
from structlog.typing import Processor

from chassis.error_text import describe
from chassis.tracecontext import current_traceparent

if TYPE_CHECKING:
    from chassis.settings import ProcessSettings

__all__ = ["Logger", "bind_contextvars", "bound", "clear_contextvars", "configure", "get_logger"]

_TALKATIVE = ("httpx", "httpcore", "telegram", "slack_sdk", "slack_bolt", "aiohttp", "urllib3", "asyncio", "hpack")
"""Below WARNING these write URLs with tokens, headers or bodies."""

_TOKENS = re.compile(r"bot\d+:[\w-]{20,}|\d{6,}:[\w-]{30,}|xox[a-z]-[\w-]+|xapp-[\w-]+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


REPEAT_SECONDS = 5.0
"""How long the same line of a library isn't written again."""
_MOST_TOLD = 1000


class Logger(Protocol):
    """What code logs with. Fields are ids, names of things, counts and durations."""

    def debug(self, event: str, /, **fields: object) -> None: ...
    def info(self, event: str, /, **fields: object) -> None: ...
    def warning(self, event: str, /, **fields: object) -> None: ...
    def error(self, event: str, /, **fields: object) -> None: ...
    def exception(self, event: str, /, **fields: object) -> None: ...
    def bind(self, **fields: object) -> Logger: ...


def get_logger(name: str) -> Logger:
    """A logger for one component; `name` becomes the field `source`."""
    return cast("Logger", structlog.get_logger(source=name))


@contextmanager
def bound(**ids: object) -> Iterator[None]:
    """Add ids (`event_id`, `ticket_id`, `conversation_id`, ...) to every line logged inside, in this task."""
    with bound_contextvars(**ids):
        yield


def configure(settings: ProcessSettings, process: str, stream: TextIO | None = None) -> None:
    """Send our own and all libraries' logging through one pipeline to standard output."""
    out = stream or sys.stdout
    level = logging.getLevelNamesMapping()[settings.log_level]

    def name_process(_: object, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        line["process"] = process
        return line

    shared: list[Processor] = [
        merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        name_process,
        _add_trace,
        _add_error,
    ]
    ending: list[Processor]
    if settings.log_format == "json":
        ending = [structlog.processors.EventRenamer("msg"), _to_json]
    else:
        ending = [structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time", event_key="event")]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=stream is None,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Forward()]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "aiokafka"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level, logging.INFO if name == "aiokafka" else logging.WARNING))
    logging.captureWarnings(capture=True)


class _Forward(logging.Handler):
    """Takes a library's record into our pipeline, without its tokens.

    The same line within seconds is left out and counted: a client without its server says so 20 times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        """When a line was last written, and how often it was left out since."""

    def _left_out(self, name: str, text: str) -> int | None:
        """How often this line was left out before it is written now; None: leave it out."""
        now = time.monotonic()
        at, count = self._told.get((name, text), (-REPEAT_SECONDS, 0))
        if now - at < REPEAT_SECONDS:
            self._told[name, text] = (at, count + 1)
            return None
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[name, text] = (now, 0)
        return count

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = _TOKENS.sub("***", record.getMessage())
            left_out = self._left_out(record.name, text)
            if left_out is None:
                return
            fields: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info else {}
            if left_out:
                fields["repeated"] = left_out
            structlog.get_logger(source=record.name).log(record.levelno, "library", text=text, **fields)
        except Exception:  # noqa: BLE001  the logging module's contract: a line that can't be written ends nothing
            self.handleError(record)


def _add_trace(_: object, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    traceparent = current_traceparent.get()
    if traceparent is not None:
        line["trace_id"] = traceparent[3:35]
        line["span_id"] = traceparent[36:52]
    return line


def _add_error(_: object, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Turn `exc_info` (True, an exception or a triple) and `error=exception` into fields that quote no values."""
    given = line.pop("exc_info", None)
    error = line.get("error")
    if isinstance(error, BaseException):
        line["error"] = describe(error)
    if given is None or given is False:
        return line
    found = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exception()
    if isinstance(found, BaseException):
        line["error"] = describe(found)
        line["frames"] = _stack(found)
    return line


def _stack(error: BaseException) -> list[str]:
    """Where the error went through, innermost last; with its causes. Code places only, no values."""
    places = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            places += [f"-- {describe(one)}", *_stack(one)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        places = [*_stack(cause), f"-- {describe(cause)}, which led to:", *places]
    return places


def _to_json(_: object, __: str, line: MutableMapping[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, a number beyond 64 bits
        return json.dumps(line, default=str)
