"""A ticket's history becomes journeys; traces are read as each kind of store gives them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from cli import environment
from cli.trace import default_store, journeys
from cli.trace_stores import fetch
from cli.waterfall import Span

ENTRY = {"actor": {"kind": "customer", "id": "slack:U1", "name": "Anna"}, "changes": {}, "message_id": None}


def entry(version: int, kind: str, second: float, trace: str | None, **more: Any) -> dict[str, Any]:
    return {
        **ENTRY,
        "version": version,
        "kind": kind,
        "at": f"2026-01-01T00:00:{second:06.3f}Z",
        "trace_id": trace,
        **more,
    }


def test_changes_of_one_trace_are_a_journey_that_begins_when_the_customer_wrote() -> None:
    history = [
        entry(3, "delivery_changed", 9.5, "b", changes={"delivery": {"old": "queued", "new": "queued"}}),
        entry(1, "opened", 1.25, "a", message_id="m", changes={"status": {"old": None, "new": "new"}}),
        entry(2, "reply_added", 9, "b"),
        entry(4, "updated", 20, None),
    ]
    messages = [{"id": "m", "kind": "chat", "created_at": "2026-01-01T00:00:01Z"}]
    found = journeys(history, messages)
    assert [(one.trace_id, len(one.steps)) for one in found] == [("a", 2), ("b", 2), (None, 1)]
    (written, what), (opened, step) = found[0].steps
    assert (what, (opened - written).total_seconds()) == ("written in the chat", 0.25)
    assert step == "version 1: opened (status: - -> new)"
    assert found[0].about == "opened by customer Anna"
    assert found[1].steps[1][1] == "version 3: delivery changed"


def test_no_step_comes_before_the_first_though_the_platforms_clock_is_ahead() -> None:
    messages = [{"id": "m", "kind": "chat", "created_at": "2026-01-04T00:00:00Z"}]
    (journey,) = journeys([entry(1, "opened", 1, "a", message_id="m")], messages)
    (written, what), (opened, _) = journey.steps
    assert (what, opened - written) == ("written in the chat, by a clock that is ahead of ours", timedelta(0))


ZIPKIN = [
    {
        "id": "s2", "parentId": "s1", "name": "decide", "timestamp": 1_000, "duration": 5,
        "localEndpoint": {"serviceName": "router-0"}, "tags": {"error": "Poison"},
    },
    {"id": "s1", "name": "publish", "timestamp": 900},
]  # fmt: skip
JAEGER = {
    "data": [
        {
            "spans": [
                {
                    "spanID": "s2", "processID": "p1", "operationName": "decide", "startTime": 1_000, "duration": 5,
                    "references": [{"refType": "FOLLOWS_FROM", "spanID": "x"}, {"refType": "CHILD_OF", "spanID": "s1"}],
                    "tags": [{"key": "error", "value": True}],
                },
                {
                    "spanID": "s1", "processID": "p2", "operationName": "publish", "startTime": 900, "duration": 0,
                    "references": [], "tags": [],
                },
            ],
            "processes": {
                "p1": {"serviceName": "router", "tags": [{"key": "service.instance.id", "value": "router-0"}]},
                "p2": {"serviceName": ""},
            },
        }
    ]
}  # fmt: skip
SANDBOX = {
    "spans": [
        {
            "span_id": "s2", "parent_id": "s1", "process": "router-0", "name": "decide", "start_ns": 1_000_000,
            "end_ns": 1_005_000, "error": "Poison",
        },
        {
            "span_id": "s1", "parent_id": None, "process": "", "name": "publish", "start_ns": 900_000,
            "end_ns": 900_000, "error": None,
        },
    ]
}  # fmt: skip


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Callable[[httpx.Response], list[str]]:
    """Answers with what it is given; the addresses that were asked."""

    def answering(response: httpx.Response) -> list[str]:
        asked: list[str] = []

        def get(url: str, **_: object) -> httpx.Response:
            asked.append(url)
            return response

        monkeypatch.setattr("cli.trace_stores.httpx.get", get)
        return asked

    return answering


@pytest.mark.parametrize(
    ("address", "asked", "answer"),
    [
        ("zipkin+http://z:9411/", "http://z:9411/api/v2/trace/t1", ZIPKIN),
        ("jaeger+https://j/query", "https://j/query/api/traces/t1", JAEGER),
        ("sandbox+http://s/traces", "http://s/traces/t1", SANDBOX),
    ],
)
def test_a_trace_is_the_same_from_every_store(store: Any, address: str, asked: str, answer: Any) -> None:
    called = store(httpx.Response(200, json=answer))
    assert fetch(address, "t1") == [
        Span("s2", "s1", "router-0", "decide", 1_000_000, 1_005_000, failed=True),
        Span("s1", None, "", "publish", 900_000, 900_000),
    ]
    assert called == [asked]


def test_the_store_is_the_named_one_else_the_sandbox_of_the_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "STACK_FILE", tmp_path / "stack.json")
    monkeypatch.delenv("TRACE_STORE_URL", raising=False)
    assert default_store() is None
    (tmp_path / "stack.json").write_text('{"sandbox": {"traces_url": "http://s/traces"}}')
    assert default_store() == "sandbox+http://s/traces"
    monkeypatch.setenv("TRACE_STORE_URL", "jaeger+http://j")
    assert default_store() == "jaeger+http://j"


def test_a_trace_that_is_not_there_has_no_spans(store: Any) -> None:
    store(httpx.Response(404))
    assert fetch("jaeger+http://j", "t1") == []


@pytest.mark.parametrize(
    ("address", "response", "said"),
    [
        ("http://j", httpx.Response(200, json=[]), "is no trace store"),
        ("tempo+http://j", httpx.Response(200, json=[]), "is no trace store"),
        ("jaeger+http://j", httpx.Response(500), "answers 500"),
        ("jaeger+http://j", httpx.Response(200, text="<html>"), "something else than a trace of jaeger"),
        ("zipkin+http://j", httpx.Response(200, json={"data": []}), "something else than a trace of zipkin"),
    ],
)
def test_what_is_wrong_with_a_store_is_said(
    store: Any, capsys: pytest.CaptureFixture[str], address: str, response: httpx.Response, said: str
) -> None:
    store(response)
    with pytest.raises(typer.Exit):
        fetch(address, "t1")
    assert said in capsys.readouterr().err
