"""The store of spans forgets whole traces, never parts of one."""

from __future__ import annotations

from sandbox.traces.store import Span, TraceStore
from sandbox.traces.zipkin import to_zipkin


def span(trace: str, number: int, **attributes: str) -> Span:
    return Span(trace, f"{number:016x}", None, f"span {number}", "internal", "router-0", number, number + 5, attributes)


def test_a_full_store_forgets_the_trace_that_was_quiet_longest() -> None:
    store = TraceStore(max_spans=4)
    store.add([span("a", 1), span("a", 2), span("b", 3)])
    store.add([span("a", 4)])
    store.add([span("c", 5)])
    assert [shown.name for shown in store.trace("a")] == ["span 1", "span 2", "span 4"]
    assert store.trace("b") == []
    assert len(store.trace("c")) == 1


def test_a_span_that_comes_twice_is_kept_once() -> None:
    store = TraceStore()
    store.add([span("a", 1), span("a", 1)])
    assert len(store.trace("a")) == 1


def test_traces_are_found_by_all_attributes_the_latest_first() -> None:
    store = TraceStore()
    store.add([span("a", 1, ticket="t-1"), span("b", 2, ticket="t-1"), span("b", 3, kind="x"), span("c", 4)])
    assert store.find({"ticket": "t-1"}, limit=10) == ["b", "a"]
    assert store.find({"ticket": "t-1"}, limit=1) == ["b"]
    assert store.find({"ticket": "t-1", "kind": "x"}, limit=10) == ["b"]
    assert store.find({}, limit=10) == ["c", "b", "a"]


def test_zipkin_gets_links_and_errors_as_tags() -> None:
    failed = Span(
        "a" * 32, "b" * 16, "c" * 16, "send", "producer", "notifier-0", 1_000, 5_000, {"n": 1}, (("t", "s"),), "x"
    )
    assert to_zipkin(failed) == {
        "traceId": "a" * 32,
        "id": "b" * 16,
        "parentId": "c" * 16,
        "name": "send",
        "kind": "PRODUCER",
        "timestamp": 1,
        "duration": 4,
        "localEndpoint": {"serviceName": "notifier-0"},
        "tags": {"n": "1", "error": "x", "link.0": "t/s"},
    }
