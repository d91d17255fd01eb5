"""A line carries the ids that lead to the rest; tokens and message texts don't get through."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from chassis import logs, telemetry
from chassis.settings import ProcessSettings, read

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


class Written(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def line(self) -> dict[str, Any]:
        [line] = self.lines()
        return line


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    logs.clear_contextvars()


@pytest.fixture
def written(logging_restored: None) -> Written:
    return configured()


def configured(**environ: str) -> Written:
    stream = Written()
    logs.configure(read(ProcessSettings, environ), "router-0", stream)
    return stream


def test_a_line_says_what_where_and_which_process(written: Written) -> None:
    logs.get_logger("router").info("batch_committed", records=12)
    line = written.line()
    assert line.pop("time").endswith("Z")
    assert line == {
        "msg": "batch_committed",
        "records": 12,
        "level": "info",
        "source": "router",
        "process": "router-0",
    }


def test_ids_are_bound_for_everything_inside(written: Written) -> None:
    log = logs.get_logger("router")
    with logs.bound(event_id="e1", ticket_id="t1"):
        log.info("inside")
    log.info("outside")
    inside, outside = written.lines()
    assert (inside["event_id"], inside["ticket_id"]) == ("e1", "t1")
    assert "event_id" not in outside


def test_trace_and_span_ids_are_those_of_the_current_span_sampled_or_not(written: Written) -> None:
    with telemetry.start_span("decide", traceparent=TRACEPARENT):
        logs.get_logger("router").info("decided")
    line = written.line()
    assert (line["trace_id"], line["span_id"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


def test_a_level_below_the_chosen_one_is_not_written(logging_restored: None) -> None:
    written = configured(LOG_LEVEL="WARNING")
    log = logs.get_logger("router")
    log.info("quiet")
    log.warning("loud")
    assert [line["msg"] for line in written.lines()] == ["loud"]


def test_an_exception_shows_its_place_and_not_its_text(written: Written) -> None:
    try:
        int("message text")
    except ValueError as error:
        logs.get_logger("router").exception("failed")
        logs.get_logger("router").error("failed_too", error=error)
    first, second = written.lines()
    assert first["error"] == second["error"] == "ValueError"
    assert first["frames"][-1].endswith("test_an_exception_shows_its_place_and_not_its_text")
    assert "message text" not in written.getvalue()


def test_the_cause_of_an_exception_is_shown_before_it(written: Written) -> None:
    try:
        try:
            raise TimeoutError
        except TimeoutError as cause:
            raise RuntimeError("gave up") from cause
    except RuntimeError as error:
        logs.get_logger("router").error("failed", exc_info=error)
    line = written.line()
    assert line["error"] == "RuntimeError: gave up"
    assert "-- TimeoutError, which led to:" in line["frames"]


def test_libraries_come_out_in_the_same_shape(written: Written) -> None:
    logging.getLogger("aiokafka.consumer").warning("Heartbeat failed for %s", "group")
    line = written.line()
    assert (line["msg"], line["source"], line["level"]) == ("library", "aiokafka.consumer", "warning")
    assert line["text"] == "Heartbeat failed for group"
    assert line["process"] == "router-0"


def test_a_library_that_repeats_itself_is_written_once_in_a_while(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("chassis.logs.time.monotonic", lambda: now)
    client = logging.getLogger("aiokafka")
    for _ in range(50):
        client.warning("Unable to connect to node 1")
    client.warning("Unable to connect to node 2")
    now += logs.REPEAT_SECONDS
    client.warning("Unable to connect to node 1")
    lines = written.lines()
    assert [line["text"][-1] for line in lines] == ["1", "2", "1"]
    assert [line.get("repeated") for line in lines] == [None, None, 49]


def test_python_warnings_are_lines_too(written: Written) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old habit", stacklevel=1)
    assert "old habit" in written.line()["text"]


@pytest.mark.parametrize("name", ["httpx", "telegram.Bot", "slack_sdk.web.async_client"])
def test_libraries_that_write_requests_are_silent_below_warning_even_in_debug(
    logging_restored: None, name: str
) -> None:
    written = configured(LOG_LEVEL="DEBUG")
    logging.getLogger(name).info("POST https://api.telegram.org/bot1:x/sendMessage text=hello")
    assert written.getvalue() == ""


@pytest.mark.parametrize(
    "text",
    [
        "POST https://api.telegram.org/bot7700:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc/sendMessage",
        "token xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzzqgy refused",
        "token xapp-1-A0123-456-abcdef refused",
        "can't reach postgresql://okno:hunter2@db:5432/okno",
    ],
)
def test_tokens_in_libraries_lines_are_covered(written: Written, text: str) -> None:
    logging.getLogger("library").error(text)
    shown = written.line()["text"]
    assert "***" in shown
    for secret in ("AAEhBOweik6ad9r", "pdFZKVeTuE8", "abcdef", "hunter2"):
        assert secret not in shown


def test_a_value_that_json_cannot_hold_still_makes_a_line(written: Written) -> None:
    logs.get_logger("router").info("odd", surrogate="\ud800", large=2**70, some={1, 2}.__class__)
    assert written.line()["large"] == 2**70


def test_the_console_format_is_for_people(logging_restored: None) -> None:
    written = configured(LOG_FORMAT="console")
    try:
        raise RuntimeError("gave up")
    except RuntimeError:
        logs.get_logger("router").exception("failed", ticket_id="t1")
    assert "failed" in written.getvalue()
    assert "ticket_id=t1" in written.getvalue()
    assert not written.getvalue().startswith("{")
