"""What a campaign found, as a table and as JSON."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from chaos.campaign import Campaign
from chaos.options import Options
from chaos.records import read

Json = dict[str, Any]
SHOWN = 10
WARM_UP_SECONDS = 10.0
_HELD = ("megabytes", "files", "connections")


def summary(campaign: Campaign, options: Options) -> Json:
    """One campaign's figures."""
    facts, lines = campaign.facts, read(campaign.log)
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for one in facts.operations:
        outcomes[one.kind][one.outcome] += 1
    replies = [one for one in facts.messages if one.kind == "reply"]
    return {
        "seed": campaign.seed,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "mutant": options.mutant,
        "minutes": options.minutes,
        "seconds": round(campaign.seconds, 1),
        "fault_groups": list(options.groups),
        "operations": {kind: dict(counted) for kind, counted in sorted(outcomes.items())},
        "operations_total": len(facts.operations),
        "events": len({event.id for event in facts.events}),
        "event_records": len(facts.events),
        "decisions": len(facts.decisions),
        "tickets": len(facts.tickets),
        "ticket_events": len({(change.ticket, change.version) for change in facts.changes}),
        "replies": dict(Counter(str(one.state) for one in replies)),
        "given_up_by_slack": len(facts.given_up),
        "dead_letters": len(facts.dead_letters),
        "poison": len(facts.poison),
        "faults": dict(Counter(name for trouble in facts.troubles for name in trouble.faults)),
        "rounds": len(facts.troubles),
        "recovery_seconds": _recovery(campaign),
        "searched_megabytes": {kind: round(size / 2**20, 2) for kind, size in sorted(facts.searched.items())},
        "ended_by_itself": dict(Counter(line["process"] for line in lines if line["what"] == "ended by itself")),
        "growth": _growth(lines),
        "violations": len(campaign.violations),
        "violations_by_rule": dict(Counter(one.rule for one in campaign.violations)),
    }


def _recovery(campaign: Campaign) -> Json:
    """Seconds from the end of the faults of a round, by kind of fault: a round with several counts for each."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for trouble in campaign.facts.troubles:
        for name in trouble.faults:
            if trouble.seconds is not None:
                kinds[_kind(name)].append(trouble.seconds)
    return {
        kind: {"rounds": len(found), "median": round(statistics.median(found), 1), "most": round(max(found), 1)}
        for kind, found in sorted(kinds.items())
    }


def _kind(name: str) -> str:
    how, _, target = name.partition(" ")
    if how in {"platform", "poison"}:
        return target.partition(" ")[0] if how == "platform" else how
    if " to " in target:
        return f"{how} a link"
    if how == "clock":
        return "set a clock"
    if name.startswith("set back"):
        return "set PostgreSQL back"
    if how == "expire":
        return "expire a topic"
    return f"{how} {target}" if target in {"kafka", "postgres"} else f"{how} a process"


def _growth(lines: list[Json]) -> Json:
    """Of each process's longest life: what it held at most, and how the last third differs from the first."""
    lives: dict[tuple[str, int], list[Json]] = defaultdict(list)
    for line in lines:
        if line["what"] == "holds":
            lives[line["process"], line["pid"]].append(line)
    longest: dict[str, list[Json]] = {}
    for (name, _), life in lives.items():
        grown = [line for line in life if line["at"] > life[0]["at"] + WARM_UP_SECONDS]
        if len(grown) >= 6 and len(grown) > len(longest.get(name, ())):
            longest[name] = grown
    return {
        name: {
            "seconds": round(life[-1]["at"] - life[0]["at"]),
            **{held: {"most": max(line[held] for line in life), "growth": _grown(life, held)} for held in _HELD},
        }
        for name, life in sorted(longest.items())
    }


def _grown(life: list[Json], held: str) -> float:
    third = max(1, len(life) // 3)
    first, last = (statistics.median(line[held] for line in part) for part in (life[:third], life[-third:]))
    return round(float(last - first), 1)


def table(found: Json) -> list[str]:
    """The figures of one campaign for the screen."""
    lines = [
        f"seed {found['seed']}: {found['operations_total']} operations, {found['events']} events, {found['tickets']} "
        f"tickets in {found['seconds']:.0f} s; {found['rounds']} rounds of faults; VIOLATIONS: {found['violations']}"
        if found["violations"]
        else f"seed {found['seed']}: {found['operations_total']} operations, {found['events']} events, "
        f"{found['tickets']} tickets in {found['seconds']:.0f} s; {found['rounds']} rounds of faults; no violation",
        f"  {'fault':<18} {'rounds':>6} {'median s':>9} {'most s':>7}",
    ]
    if found["ended_by_itself"]:
        lines.insert(1, f"  ended by itself and was started again: {found['ended_by_itself']}")
    for kind, row in found["recovery_seconds"].items():
        lines.append(f"  {kind:<18} {row['rounds']:>6} {row['median']:>9} {row['most']:>7}")
    lines.append(f"  {'process':<20} {'s':>4} {'MB':>6} {'+MB':>6} {'files':>5} {'+':>4} {'conn.':>5} {'+':>4}")
    for name, row in found["growth"].items():
        held = [row[one] for one in _HELD]
        figures = " ".join(f"{one['most']:>5} {one['growth']:>5}" for one in held)
        lines.append(f"  {name:<20} {row['seconds']:>4} {figures}")
    return lines


def explained(campaign: Campaign) -> list[str]:
    """The first violations with their histories."""
    lines = []
    for one in campaign.violations[:SHOWN]:
        lines += [f"VIOLATION of {one.rule} (seed {campaign.seed}): {one.subject}: {one.text}"]
        lines += [f"    {line}" for line in one.history]
    if len(campaign.violations) > SHOWN:
        lines.append(f"... and {len(campaign.violations) - SHOWN} more")
    if campaign.violations:
        lines.append(f"The whole log: {campaign.log.parent}")
    return lines


def add(path: Path, found: list[Json], about: Json) -> None:
    """Keep the results of earlier seeds; a seed that ran again replaces its own."""
    known = orjson.loads(path.read_bytes())["campaigns"] if path.exists() else []
    fresh = {(one["seed"], one["mutant"]) for one in found}
    kept = [one for one in known if (one["seed"], one["mutant"]) not in fresh]
    campaigns = sorted([*kept, *found], key=lambda one: (one["mutant"] or "", one["seed"]))
    path.write_bytes(orjson.dumps({**about, "campaigns": campaigns}, option=orjson.OPT_INDENT_2) + b"\n")
