"""Does the faults of a plan, lifts them, and measures how long the stack takes to be back to normal.

What the nemesis kills it starts again itself; a process that ends by itself is started again after a second, as any
supervisor would, and is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiokafka.errors import KafkaError

from chaos.backups import Backups
from chaos.clocks import Clocks
from chaos.hands import Hands
from chaos.links import Links
from chaos.moments import Moments
from chaos.nemesis_plan import HELD_BACK, PROCESSES, SERVERS, Fault, Round
from chaos.proxy import Direction
from chaos.records import Records
from contracts.topics import TOPICS
from sandbox.stack.errors import StackError
from sandbox.stack.inside.backlog import Backlog, backlog, passed, positions
from sandbox.stack.inside.log import Log
from sandbox.stack.paths import ROOT
from sandbox.stack.stack import Stack

AWAY = (OSError, TimeoutError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError)
NORMAL = 40
"""Records, rows and deliveries under way that traffic alone may cause. Names to be looked up wait for the
platforms' limits and aren't counted.
"""
LOOK_SECONDS = 0.25
TELL_SECONDS = 10.0
_DIRECTIONS: dict[str, tuple[Direction, ...]] = {"stall": ("there", "back"), "mute": ("there",), "deaf": ("back",)}
_SEND, _EVENTS = "chat.postMessage", "events"
_PLATFORMS: dict[str, dict[str, Any]] = {
    "slack answer lost": {"target": _SEND, "kind": "drop", "effect": True, "probability": 0.5},
    "slack cut": {"target": _SEND, "kind": "drop", "effect": False, "probability": 0.5},
    "slack 429": {"target": _SEND, "kind": "rate_limit", "retry_after": 2, "probability": 0.7},
    "slack 5xx": {"target": _SEND, "kind": "http_error", "status": 503, "effect": False, "probability": 0.7},
    "slack 5xx after": {"target": _SEND, "kind": "http_error", "status": 500, "effect": True, "probability": 0.5},
    "slack slow": {"target": _SEND, "kind": "delay", "seconds": 2.5, "effect": True, "probability": 0.5},
    "slack duplicates": {"target": _EVENTS, "kind": "duplicate", "probability": 0.5},
    "slack reorders": {"target": _EVENTS, "kind": "reorder", "seconds": 1.0, "probability": 0.3},
    "slack late": {"target": _EVENTS, "kind": "delay", "seconds": 2.0, "probability": 0.3},
    "telegram answer lost": {"target": "sendMessage", "kind": "drop", "probability": 0.5},
    "telegram 429": {"target": "sendMessage", "kind": "429", "retry_after": 2, "probability": 0.7},
    "telegram 5xx": {"target": "sendMessage", "kind": "5xx", "status": 502, "probability": 0.7},
    "telegram 5xx after": {"target": "sendMessage", "kind": "5xx_after", "status": 502, "probability": 0.5},
    "telegram slow": {"target": "sendMessage", "kind": "delay", "seconds": 2.5, "probability": 0.5},
    "telegram duplicates": {"target": "updates", "kind": "duplicate", "probability": 0.5},
    "telegram unheard": {"target": "updates", "kind": "drop", "probability": 0.5},
    "telegram cut": {"target": "updates", "kind": "drop_before", "probability": 0.5},
}


class Nemesis:
    """One for a campaign."""

    def __init__(
        self,
        stack: Stack,
        moments: Moments,
        links: Links,
        clocks: Clocks,
        hands: Hands,
        log: Log,
        records: Records,
        backups: Backups,
        beside: Path | None,
        patience: float,
    ) -> None:
        self._stack = stack
        self._links = links
        self._clocks = clocks
        self._backups = backups
        self._beside = beside
        self._patience = patience
        self._moments = moments
        self._hands = hands
        self._log = log
        self._records = records
        self._held: set[str] = set()

    async def run(self, plan: Iterator[Round], stop: asyncio.Event) -> None:
        """Round after round until told to stop; the round under way is lifted and recovered from."""
        for one in plan:
            try:
                await asyncio.wait_for(stop.wait(), one.pause)
            except TimeoutError:
                pass
            if stop.is_set():
                return
            await self._round(one)

    async def _round(self, one: Round) -> None:
        began = time.time()
        names = [fault.name for fault in one.faults]
        self._records.write("faults", round=one.number, faults=names)
        self._held.update(fault.target for fault in one.faults)
        await asyncio.gather(*(self._one(one.number, fault) for fault in one.faults))
        ended = time.time()
        self._held.clear()
        seconds = await self.recovered()
        self._records.write(
            "recovered", round=one.number, faults=names, began=began, ended=ended, seconds=seconds,
            targets=[fault.target for fault in one.faults],
        )  # fmt: skip

    async def _one(self, number: int, fault: Fault) -> None:
        await asyncio.sleep(fault.delay)
        match fault.how:
            case "kill" | "restart":
                await self._down(fault)
            case "stop":
                await self._suspend(fault)
            case "platform":
                await self._platform(number, fault)
            case "cut" | "refuse" | "late" | "stall" | "mute" | "deaf":
                await self._link(fault)
            case "clock":
                await self._clock(fault)
            case "expire":
                await self._expire(fault)
            case "set back":
                await self._set_back()
            case "swap":
                await self._swap(fault)
            case _:
                await self._poison(number, fault)

    async def _suspend(self, fault: Fault) -> None:
        process = self._stack.process(fault.target)
        if fault.point is None:
            process.suspend()
        elif not await self._moments.strike(fault.target, fault.point, "stop"):
            self._records.write("not reached", process=fault.target, point=fault.point)
            return
        await asyncio.sleep(fault.seconds)
        process.resume()

    async def _down(self, fault: Fault) -> None:
        if fault.point is None:
            await (self._stack.kill if fault.how == "kill" else self._stack.stop_process)(fault.target)
        elif not await self._moments.strike(fault.target, fault.point, "kill"):
            self._records.write("not reached", process=fault.target, point=fault.point)
            return
        await asyncio.sleep(fault.seconds)
        await self._start(fault.target)

    async def _start(self, name: str, *, cwd: Path | None = None) -> None:
        """A server is waited for; a process of Okno may find its server away and end again: then it is supervised."""
        try:
            await self._stack.start_process(name, cwd=cwd, wait=name not in PROCESSES)
        except StackError as error:
            self._records.write("not started", process=name, error=str(error)[-2000:])

    async def _platform(self, number: int, fault: Fault) -> None:
        call = self._hands.slack if fault.target.startswith("slack") else self._hands.telegram
        made = (await call("POST", "/faults", {**_PLATFORMS[fault.target], "seed": number})).body
        await asyncio.sleep(fault.seconds)
        await call("DELETE", f"/faults/{made.get('fault', made)['id']}")

    async def _link(self, fault: Fault) -> None:
        """What a stalled connection to a server held back arrives late; other callers gave up, so theirs is lost."""
        proxy = self._links.proxies[fault.target]
        proxy.refusing = fault.how in {"cut", "refuse"}
        proxy.delay = fault.by
        if fault.how == "cut":
            proxy.cut()
        elif fault.how in HELD_BACK:
            proxy.stall(*_DIRECTIONS[fault.how])
        await asyncio.sleep(fault.seconds)
        if fault.how in HELD_BACK and not fault.target.endswith(SERVERS):
            proxy.cut()
        proxy.lift()

    async def _clock(self, fault: Fault) -> None:
        """A jump, and a jump back."""
        self._clocks.set(fault.target, fault.by)
        await asyncio.sleep(fault.seconds)
        self._clocks.set(fault.target, 0.0)

    async def _expire(self, fault: Fault) -> None:
        """What every reader of a topic is past goes, as retention takes it; the log keeps it for the check."""
        try:
            async with asyncio.timeout(20):
                connection = await asyncpg.connect(self._stack.info.postgres.dsn, timeout=3)
                try:
                    stored = await positions(connection)
                finally:
                    await connection.close()
                self._backups.usable = False  # it may not be brought forward any more
                gone = await self._log.expire(passed(stored, fault.target))
        except AWAY as error:
            self._records.write("not expired", topic=fault.target, error=repr(error))
        else:
            self._records.write("expired", topic=fault.target, records=gone)

    async def _set_back(self) -> None:
        if not self._backups.usable:
            await self._backups.make()
            self._records.write("backup")
            return
        self._held.update(PROCESSES)
        if not await self._backups.set_back(self._at_rest):
            self._records.write("not set back")

    async def _at_rest(self) -> bool:
        """Whether nothing is under way any more before patience ends."""
        deadline = time.monotonic() + self._patience
        while (left := await self.under_way()) is None or left.moving:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _swap(self, fault: Fault) -> None:
        """Stopped in order, and started as the other version."""
        process = self._stack.process(fault.target)
        await self._stack.stop_process(fault.target)
        await asyncio.sleep(fault.seconds)
        await self._start(fault.target, cwd=self._beside if process.launch.cwd == ROOT else ROOT)

    async def _poison(self, number: int, fault: Fault) -> None:
        topic = fault.target
        fine = {
            "ce_id": f"poison-{number}", "ce_type": TOPICS[topic].models[0].TYPE, "ce_source": "chaos",
            "ce_time": "2026-01-01T00:00:00+00:00",
        }  # fmt: skip
        headers = [(name, value.encode()) for name, value in fine.items()]
        values: list[tuple[bytes, list[tuple[str, bytes]]]] = [(b"\xff not JSON", headers), (b"{}", headers)]
        try:
            written = await self._log.write(topic, [*values, (b"{}", [])], key=f"slack:C0POISON{number}")
        except AWAY as error:  # none of it, or some: the checker accepts dead letters of the key
            self._records.write("poison unknown", topic=topic, error=repr(error))
            return
        self._records.write("poison", topic=topic, offsets=written)

    async def recovered(self) -> float | None:
        """Seconds until every process is ready, the API takes changes, and no more is under way than normal.

        None when it takes too long.
        """
        began = told = time.monotonic()
        while (now := time.monotonic()) - began < self._patience:
            left = await self.under_way()
            if left is not None and left.moving <= NORMAL and await self._all_ready() and await self._takes_changes():
                return round(time.monotonic() - began, 2)
            if now - told > TELL_SECONDS:
                told = now
                self._records.write("not yet normal", left=None if left is None else left.counts())
            await asyncio.sleep(LOOK_SECONDS)
        return None

    async def under_way(self) -> Backlog | None:
        """None when nobody can tell now."""
        try:
            async with asyncio.timeout(5):
                ends = await self._log.ends()
                connection = await asyncpg.connect(self._stack.info.postgres.dsn, timeout=3)
                try:
                    return await backlog(connection, ends)
                finally:
                    await connection.close()
        except AWAY:
            return None

    async def _all_ready(self) -> bool:
        return all(await asyncio.gather(*(self._stack.ready(name) for name in PROCESSES)))

    async def _takes_changes(self) -> bool:
        """Whether the API gets as far as looking for the ticket of a change; there is none, so nothing changes."""
        answer = await self._hands.api("POST", "/tickets/none/notes", {"text": "Is anybody there?"})
        return answer.status == 404

    async def supervise(self) -> None:
        """Start what has ended by itself; runs until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            for name in self._ended():
                process = self._stack.process(name)
                said = orjson.dumps(process.log_tail()[-1500:]).decode()
                self._records.write("ended by itself", process=name, code=process.exit_code(), said=said)
                await self._start(name)

    def _ended(self) -> Iterable[str]:
        return [one for one in PROCESSES if one not in self._held and not self._stack.process(one).alive()]
