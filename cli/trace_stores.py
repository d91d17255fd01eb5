"""Where traces are kept, asked for one by its id: Jaeger, Zipkin, or the sandbox.

Sources: Zipkin's API, version 2 (`GET /api/v2/trace/{traceId}`, times in microseconds); Jaeger's query service
(`GET /api/traces/{traceID}`, likewise).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from cli.failure import fail
from cli.waterfall import Span

SECONDS = 10


def fetch(store: str, trace_id: str) -> list[Span]:
    """The spans of a trace; empty when the store doesn't have it. `store` is like `jaeger+http://host:16686`."""
    kind, plus, url = store.partition("+")
    if not plus or kind not in _STORES or not url.startswith(("http://", "https://")):
        kinds = ", ".join(f"{one}+http://..." for one in _STORES)
        fail(f"{store!r} is no trace store.", f"TRACE_STORE_URL (or --store) is one of {kinds}.")
    path, read = _STORES[kind]
    asked = f"{url.rstrip('/')}{path}{trace_id}"
    try:
        answer = httpx.get(asked, timeout=SECONDS)
    except httpx.HTTPError as error:
        fail(
            f"The trace store at {url} doesn't answer: {error}", "Without --store the ticket's history is shown alone."
        )
    if answer.status_code == 404:
        return []
    if not answer.is_success:
        fail(f"{asked} answers {answer.status_code}.", "Is that the address of its API, and of this kind?")
    try:
        return list(read(answer.json()))
    except (ValueError, KeyError, TypeError, AttributeError):
        fail(f"{asked} answers something else than a trace of {kind}.", "Is the store of this kind?")


def _zipkin(spans: Any) -> Iterator[Span]:
    for span in spans:
        start = span["timestamp"] * 1000
        end = start + span.get("duration", 0) * 1000
        process = span.get("localEndpoint", {}).get("serviceName", "")
        failed = "error" in span.get("tags", {})
        yield Span(span["id"], span.get("parentId"), process, span["name"], start, end, failed)


def _jaeger(answer: Any) -> Iterator[Span]:
    for trace in answer["data"]:
        names = {key: _instance(process) for key, process in trace["processes"].items()}
        for span in trace["spans"]:
            parent = next((one["spanID"] for one in span["references"] if one["refType"] == "CHILD_OF"), None)
            start = span["startTime"] * 1000
            failed = any(tag["key"] == "error" and tag["value"] in {True, "true"} for tag in span["tags"])
            name = names.get(span["processID"], "")
            yield Span(
                span["spanID"], parent, name, span["operationName"], start, start + span["duration"] * 1000, failed
            )


def _instance(process: Mapping[str, Any]) -> str:
    tags = {tag["key"]: tag["value"] for tag in process.get("tags", ())}
    return str(tags.get("service.instance.id") or process["serviceName"])


def _sandbox(answer: Any) -> Iterator[Span]:
    for span in answer["spans"]:
        yield Span(
            span["span_id"], span["parent_id"], span["process"], span["name"], span["start_ns"], span["end_ns"],
            span["error"] is not None,
        )  # fmt: skip


_STORES: Mapping[str, tuple[str, Callable[[Any], Iterator[Span]]]] = {
    "jaeger": ("/api/traces/", _jaeger),
    "zipkin": ("/api/v2/trace/", _zipkin),
    "sandbox": ("/", _sandbox),
}
