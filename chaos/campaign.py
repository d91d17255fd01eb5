"""One campaign: a fresh stack, traffic and faults side by side for some minutes, rest, facts, rules."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from chaos import mutants
from chaos.actors import Actors
from chaos.backups import Backups
from chaos.broken import send_broken
from chaos.check.rules import violations
from chaos.check.violation import Violation
from chaos.clocks import Clocks, library
from chaos.facts import Facts
from chaos.gate import Gate
from chaos.gather import gather
from chaos.hands import Hands
from chaos.links import Links
from chaos.moments import Moments, breakable
from chaos.nemesis import AWAY, Nemesis
from chaos.nemesis_plan import PROCESSES
from chaos.options import Options
from chaos.records import Records
from chaos.samples import holdings
from chaos.spans import Spans
from chaos.town import settle
from chaos.traffic import acts
from chaos.versions import tree
from chaos.watch import watch
from sandbox.stack.inside.backlog import backlog
from sandbox.stack.inside.log import Log
from sandbox.stack.options import StackOptions
from sandbox.stack.paths import STATE
from sandbox.stack.plan import Addresses
from sandbox.stack.prepare import prepare
from sandbox.stack.progress import Progress
from sandbox.stack.stack import Stack

IMPATIENT = {"SLACK_TIMEOUT_SECONDS": "2", "TELEGRAM_TIMEOUT_SECONDS": "2", "SETTLING_SECONDS": "1"}
"""A doubtful send is looked into after three seconds, not fifteen."""
KINDS = ("ingest-slack", "ingest-telegram", "ingest-worker", "router", "ticketing-api", "ticketing-worker", "notifier")
TALKATIVE = {"LOG_LEVEL": "DEBUG"}
"""Of each kind one process tells all it can, so that it can be searched."""
FAST = 100.0
BREAKING, CLOCKS, BESIDE = "breaking", "clocks", "beside"
LOGS = STATE / "chaos-logs"


@dataclass(frozen=True, slots=True)
class Campaign:
    """What came of a seed. `log` holds every operation, fault and sample."""

    seed: int
    seconds: float
    acts: int
    facts: Facts
    violations: list[Violation]
    log: Path


def _stack(options: Options, progress: Progress, links: Links, clocks: Clocks, spans: Spans) -> Stack:
    env = {kind: dict(spans.env) for kind in KINDS}
    env["notifier"] |= IMPATIENT
    for name in PROCESSES:
        if not name.endswith("-0"):
            env[name] = dict(TALKATIVE)
    for settings in (breakable(options.state / BREAKING), clocks.env):
        for name, given in settings.items():
            env[name] = {**env.get(name, {}), **given}
    chosen = StackOptions(
        ingests=2,
        routers=2,
        ticketing_workers=2,
        notifiers=2,
        fresh=True,
        stable_ports=False,
        state=options.state,
        extra_env=env,
        http_ports=links.http_ports,
        doors=links.doors,
        ways=links.ways,
    )

    def command_of(kind: str, name: str) -> list[str]:
        return list(mutants.command(options.mutant, kind, name))

    async def prepared(addresses: Addresses, progress: Progress) -> str:
        links.aim(addresses)
        return await prepare(addresses, progress)

    return Stack(chosen, progress=progress, command_of=command_of, prepare=prepared)


@contextlib.asynccontextmanager
async def _breakable_stack(
    options: Options, progress: Progress, spans: Spans
) -> AsyncIterator[tuple[Stack, Links, Clocks]]:
    """A stack whose connections and clocks can be broken, as far as the groups of faults need it."""
    links = Links(network="network" in options.groups and options.mutant is None)
    clocks = Clocks(
        options.state / CLOCKS, library() if "clocks" in options.groups and options.mutant is None else None
    )
    clocks.prepare()
    await links.start()
    await spans.start()
    try:
        async with _stack(options, progress, links, clocks, spans) as stack:
            yield stack, links, clocks
    finally:
        await spans.close()
        await links.close()
        clocks.clear()


async def campaign(seed: int, options: Options, progress: Progress) -> Campaign:
    """Raises StackError when the stack doesn't even start."""
    folder = LOGS / f"{options.mutant or 'seed'}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    beside = tree(options.beside, options.state / BESIDE) if options.beside and "versions" in options.groups else None
    records, spans = Records(folder / "campaign.jsonl"), Spans(folder / "spans.jsonl")
    async with _breakable_stack(options, progress, spans) as (stack, links, clocks), Hands(stack.info) as hands:
        log = Log(stack.info.kafka.bootstrap_servers)
        try:
            with progress.step(f"Seed {seed}: moving in"):
                bot_id = stack.info.telegram.bot_token.partition(":")[0]
                await watch(stack.info.postgres.dsn)
                settled = await settle(hands, options.town, bot_id, options.speed)
                await send_broken(stack.info, records)
            moments = Moments(stack, options.state / BREAKING)
            desk = Gate()
            backups = Backups(stack, links, desk, records)
            nemesis = Nemesis(stack, moments, links, clocks, hands, log, records, backups, beside, options.patience)
            actors = Actors(hands, settled, records, desk)
            began = time.time()
            with progress.step(f"Seed {seed}: writing and breaking") as step:
                async with _aside(nemesis.supervise(), holdings(stack, records)):
                    stop = asyncio.Event()
                    writing = asyncio.create_task(actors.run(acts(seed, options.town, options.rate), stop))
                    breaking = asyncio.create_task(
                        nemesis.run(mutants.plan(seed, options.mutant, options.groups), stop)
                    )
                    await asyncio.sleep(options.minutes * 60)
                    stop.set()
                    await breaking
                    count = await writing
                    step.update("coming to rest")
                    under_way = await _rest(stack, hands, log, options.patience)
            seconds = time.time() - began
            with progress.step(f"Seed {seed}: checking"):
                facts = await gather(seed, stack.info, settled, hands, log, records.path, spans.path, under_way)
                found = violations(facts)
            if found:
                shutil.copytree(stack.state / "logs", folder / "logs")
        finally:
            records.close()
            await log.close()
    return Campaign(seed, seconds, count, facts, found, records.path)


@contextlib.asynccontextmanager
async def _aside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run beside a block and end with it; what fails there fails the block at its end."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


async def _rest(stack: Stack, hands: Hands, log: Log, patience: float) -> str | None:
    """Wait until nothing is under way; what still is when nothing moves for so long, or it takes five times as long.

    After a set back hundreds of profiles are fetched again, at the pace that Slack's limits allow.
    """
    for call in (hands.slack, hands.telegram):
        await call("DELETE", "/faults")
    await hands.slack("PATCH", "/settings", {"speed": FAST})
    await hands.telegram("PUT", "/clock", {"scale": FAST})
    end = time.monotonic() + 5 * patience
    last, moved_at = None, time.monotonic()
    while (problem := await _problem(stack, hands, log)) is not None:
        now = time.monotonic()
        if problem != last:
            last, moved_at = problem, now
        if now > min(moved_at + patience, end):
            return problem
        await asyncio.sleep(0.3)
    return None


async def _problem(stack: Stack, hands: Hands, log: Log) -> str | None:
    slack = (await hands.slack("GET", "/idle?timeout=0")).body
    if not slack.get("idle"):
        return f"Slack still delivers {slack.get('pending')} events"
    telegram = (await hands.telegram("POST", "/wait-idle", {"timeout": 0})).body
    if not telegram.get("idle"):
        return f"Telegram still delivers {telegram.get('pending')} updates"
    try:
        ends = await log.ends()
        connection = await asyncpg.connect(stack.info.postgres.dsn, timeout=5)
        try:
            if problem := (await backlog(connection, ends)).text():
                return problem
        finally:
            await connection.close()
        return None if await log.ends() == ends else "Kafka got more records"
    except AWAY as error:
        return repr(error)
