"""`okno trace`: what happened to a ticket's messages and replies, journey by journey, with the times between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import typer

from cli.api import call, pages
from cli.environment import of_stack, optional
from cli.output import say, show_json
from cli.trace_stores import fetch
from cli.waterfall import lines

MOST = 1000
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
_NONE = "  Not sampled, or no longer in the trace store."


@dataclass(slots=True)
class Journey:
    """What one webhook or one request of an agent led to. `steps`: when and what, the first is its beginning."""

    trace_id: str | None
    about: str
    steps: list[tuple[datetime, str]] = field(default_factory=list)


def trace(
    ticket: str,
    store: Annotated[
        str | None,
        typer.Option(help="jaeger+http://... or zipkin+http://... (default: TRACE_STORE_URL, else the stack's)"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how a ticket's messages and replies travelled, and how long each step took.

    Times come from the ticket's history; with a trace store each journey that was sampled is shown in full.
    """
    shown: dict[str, Any] = call("GET", f"/tickets/{ticket}")
    found = journeys(pages(f"/tickets/{ticket}/history", MOST), pages(f"/tickets/{ticket}/messages", MOST))
    asked = store or default_store()
    spans = {one.trace_id: fetch(asked, one.trace_id) for one in found if one.trace_id} if asked else {}
    if as_json:
        show_json([
            {
                "trace_id": one.trace_id, "about": one.about,
                "steps": [{"at": at.isoformat(), "what": what} for at, what in one.steps],
                "spans": [span._asdict() for span in spans.get(one.trace_id or "", ())],
            }
            for one in found
        ])  # fmt: skip
        return
    say(f"Ticket #{shown['number']}, {shown['status']}: {shown['subject']}", bold=True)
    for one in found:
        say()
        say(f"{one.about}" + (f"  (trace {one.trace_id})" if one.trace_id else ""), bold=True)
        begun = one.steps[0][0]
        for at, what in one.steps:
            say(f"  {_after((at - begun).total_seconds()):>9}  {what}")
        if one.trace_id in spans:
            say()
            for line in lines(spans[one.trace_id]) if spans[one.trace_id] else [_NONE]:
                say(line)
    if not asked:
        say("\nWhere the time went inside a step: name a trace store with --store or TRACE_STORE_URL.")


def default_store() -> str | None:
    """TRACE_STORE_URL, else the sandbox of the background stack, else none."""
    traces = of_stack("sandbox", "traces_url")
    return optional("TRACE_STORE_URL") or (traces and f"sandbox+{traces}")


def journeys(history: Sequence[dict[str, Any]], messages: Sequence[dict[str, Any]]) -> list[Journey]:
    """A ticket's history by its traces, in order; changes without a trace stand alone.

    A customer's message begins when its platform says it was written, unless that is later than what came of it.
    """
    written = {one["id"]: datetime.fromisoformat(one["created_at"]) for one in messages if one["kind"] == "chat"}
    found: dict[str, Journey] = {}
    for entry in sorted(history, key=lambda one: int(one["version"])):
        at, trace_id = datetime.fromisoformat(entry["at"]), entry["trace_id"]
        journey = found.get(trace_id or f"version {entry['version']}")
        if journey is None:
            journey = Journey(trace_id, _about(entry))
            found[trace_id or f"version {entry['version']}"] = journey
            message = written.get(entry["message_id"] or "")
            if message is not None and entry["kind"] in {"opened", "reopened", "message_added"}:
                ahead = ", by a clock that is ahead of ours" if message > at else ""
                journey.steps.append((min(message, at), f"written in the chat{ahead}"))
        journey.steps.append((at, _step(entry)))
    return list(found.values())


def _about(entry: dict[str, Any]) -> str:
    actor = entry["actor"]
    who = actor.get("name") or actor.get("id") or ""
    return f"{entry['kind'].replace('_', ' ')} by {actor['kind']}{f' {who}' if who else ''}"


def _step(entry: dict[str, Any]) -> str:
    changes = ", ".join(
        f"{name}: {_value(one.get('old'))} -> {_value(one.get('new'))}"
        for name, one in entry["changes"].items()
        if isinstance(one, dict) and one.get("old") != one.get("new")
    )
    return f"version {entry['version']}: {entry['kind'].replace('_', ' ')}{f' ({changes})' if changes else ''}"


def _value(value: Any) -> str:
    return "-" if value is None else str(value)[:60]


def _after(seconds: float) -> str:
    return (
        f"{seconds * 1000:.0f} ms"
        if abs(seconds) < 10
        else f"{seconds:.1f} s"
        if seconds < 600
        else f"{seconds / 60:.0f} min"
    )
