"""Rules, panels and alerts on a running stack: `deploy/verify-telemetry`. Exit code 1 says what is wrong."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from chassis import logs
from chassis.settings import ProcessSettings
from deploy.telemetry import catalogue, files
from deploy.telemetry.dashboards import DASHBOARDS
from deploy.telemetry.faults import FAULTS, Fault, Scene, settings
from deploy.telemetry.faults.fault import beside
from deploy.telemetry.picture import draw
from deploy.telemetry.server import Prometheus, Refused
from deploy.telemetry.traffic import Traffic
from sandbox.scenarios.clients import Clients, Doors
from sandbox.stack.options import StackOptions
from sandbox.stack.progress import Progress
from sandbox.stack.stack import Stack

SPEED = 20
SCRAPE_SECONDS = 2
ALERT_SECONDS = 240.0
"""So long an alert may take to fire after its fault began, and to end after it."""
IMPATIENT = {"SLACK_TIMEOUT_SECONDS": "2", "TELEGRAM_TIMEOUT_SECONDS": "2", "SETTLING_SECONDS": "1"}

ALERTS = frozenset(rule["alert"] for rule in catalogue.rules(files.RULES) if "alert" in rule)


def _ends_soon(rule: Mapping[str, Any]) -> bool:
    """Of the burn-rate alerts only those of the shortest windows do; promtool proves the others."""
    return bool(rule["labels"].get("window", "1h") == "1h")


class Watch:
    """Which alerts fire now, and when each last didn't, or wasn't even about to."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._quiet_at: dict[str, float] = {}
        self._calm_at: dict[str, float] = {}
        self.firing: set[str] = set()
        self.texts: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            firing, pending = set(), set()
            for rule in await self._prometheus.rules():
                if rule["type"] != "alerting" or not _ends_soon(rule):
                    continue
                if rule["state"] == "firing":
                    firing.add(rule["name"])
                    self.texts[rule["name"]] = rule["alerts"][0]["annotations"]["summary"]
                elif rule["state"] == "pending":
                    pending.add(rule["name"])
            now = time.monotonic()
            self._quiet_at |= dict.fromkeys(ALERTS - firing, now)
            self._calm_at |= dict.fromkeys(ALERTS - firing - pending, now)
            self.firing = firing
            await asyncio.sleep(1)

    async def until_firing(self, names: frozenset[str]) -> set[str]:
        """Those that have not fired in time."""
        missing, deadline = set(names), time.monotonic() + ALERT_SECONDS
        while missing and time.monotonic() < deadline:
            missing -= self.firing
            await asyncio.sleep(0.5)
        return missing

    async def until_calm(self, names: frozenset[str]) -> set[str]:
        """Those whose condition has held ever since."""
        return await _until(self._calm_at, dict.fromkeys(names, time.monotonic()))

    async def until_quiet(self, since: dict[str, float]) -> set[str]:
        """Those that have fired ever since the end of their faults."""
        return await _until(self._quiet_at, since)


async def _until(last: dict[str, float], since: dict[str, float]) -> set[str]:
    """Those whose last time isn't after the other one, in time; `last` changes meanwhile."""
    deadline = time.monotonic() + ALERT_SECONDS
    while True:
        left = {name for name, at in since.items() if last.get(name, 0) <= at}
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.5)


async def queries(prometheus: Prometheus) -> list[str]:
    """What is wrong with the rules' and the panels' queries, under traffic and without a fault."""
    wrong = []
    rate = f"{max(15, prometheus.window)}s"
    for rule in await prometheus.rules():
        if rule["health"] == "err":
            wrong.append(f"rule {rule['name']}: {rule['lastError']}")
        elif rule["type"] == "recording" and not await prometheus.query(rule["name"]):
            wrong.append(f"rule {rule['name']} records nothing")
    number = 0
    for name, make in DASHBOARDS.items():
        for title, query in make().queries():
            number += 1
            try:
                found = await prometheus.query(query.expr.replace("$__rate_interval", rate))
            except Refused as error:
                wrong.append(f"{name}, {title}: {error}")
                continue
            if not found and query.says != "trouble":
                wrong.append(f"{name}, {title}: nothing from {query.expr}")
    print(f"{number} queries of panels and all rules evaluated, {len(wrong)} wrong")
    return wrong


class Proof:
    """Causes faults and waits for their alerts. `ended`: when the faults of those that fired did."""

    def __init__(self, scene: Scene, watch: Watch) -> None:
        self._scene = scene
        self._watch = watch
        self._began = time.monotonic()
        self.ended: dict[str, float] = {}
        self.wrong: list[str] = []

    async def cause(self, fault: Fault) -> None:
        """None of its alerts may fire before, or be about to."""
        early = await self._watch.until_calm(fault.proves)
        began = time.monotonic()
        self._say(f"begun: {fault.says}")
        async with fault.cause(self._scene):
            missing = await self._watch.until_firing(fault.alerts)
            await asyncio.sleep(max(0.0, began + fault.least - time.monotonic()))
        self.ended |= dict.fromkeys(fault.alerts - missing - early, time.monotonic())
        late = await self._watch.until_firing(fault.after)
        self.ended |= dict.fromkeys(fault.after - late - early, time.monotonic())
        self.wrong += [f"{name} came before: {fault.says}" for name in sorted(early)]
        self.wrong += [f"{name} did not fire: {fault.says}" for name in sorted(missing | late)]
        self._say(f"{', '.join(sorted(fault.proves))}: {fault.says} ({time.monotonic() - began:.0f} s)")

    async def end(self) -> set[str]:
        """Those that fired and are gone."""
        self._say(f"waiting for the ends of {', '.join(sorted(self.ended))}")
        loud = await self._watch.until_quiet(self.ended)
        self.wrong += [f"{name} did not end" for name in sorted(loud)]
        return self.ended.keys() - loud

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:4.0f} s  {text}")


async def verify(options: argparse.Namespace, folder: Path) -> list[str]:
    points = folder / "points"
    points.mkdir()
    stack_options = StackOptions(
        state=folder / "stack",
        stable_ports=False,
        telegram_transport="polling",
        ticketing_workers=2,
        extra_env={"notifier": IMPATIENT, **settings(points)},
    )
    async with Stack(stack_options, progress=Progress()) as stack, httpx.AsyncClient(timeout=30) as http:
        clients = Clients(http, Doors.of_stack(stack.info))
        targets = {name: url for name, url in stack.info.metrics.items() if name != "sandbox"}
        prometheus = Prometheus(folder, targets, speed=SPEED, scrape=SCRAPE_SECONDS)
        async with prometheus, Traffic(clients).running():
            await asyncio.sleep(options.seconds)
            wrong = await queries(prometheus)
            if options.picture is not None:
                await draw(prometheus, options.picture, seconds=options.seconds)
            if options.no_faults:
                return wrong
            watch = Watch(prometheus)
            proof = Proof(Scene(stack, clients, http, points), watch)
            async with beside(watch.run()):
                for group in FAULTS:
                    async with asyncio.TaskGroup() as causing:
                        for fault in group:
                            if not options.only or options.only & fault.proves:
                                causing.create_task(proof.cause(fault))
                proven = await proof.end()
            wrong += proof.wrong
            for name, text in sorted(watch.texts.items()):
                print(f"  {name}: {text}")
            wrong += [f"{name}: its text is broken: {text}" for name, text in watch.texts.items() if "<" in text]
            unseen = ", ".join(sorted(ALERTS - proven)) or "none"
            print(f"Fired and ended: {len(proven)} of {len(ALERTS)} alerts. In this run not: {unseen}")
    return wrong


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="deploy/verify-telemetry", description=__doc__)
    parser.add_argument("--no-faults", action="store_true", help="evaluate the queries only")
    only = "cause only what makes it fire"
    parser.add_argument("--only", action="append", default=[], choices=sorted(ALERTS), metavar="ALERT", help=only)
    parser.add_argument("--picture", type=Path, help="draw the overview from its queries into this PNG")
    parser.add_argument("--seconds", type=float, default=60, help="of traffic before the queries")
    options = parser.parse_args(given)
    options.only = frozenset(options.only)
    logs.configure(ProcessSettings(log_level="WARNING", log_format="console"), "verify-telemetry")
    with tempfile.TemporaryDirectory(prefix="okno-telemetry-") as folder:
        Path(folder).chmod(0o755)
        wrong = asyncio.run(verify(options, Path(folder)))
    for problem in wrong:
        print(f"WRONG: {problem}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
