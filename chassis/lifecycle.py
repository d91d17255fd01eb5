"""A process starts whole, ends whole, and never lives on with a part of it dead.

    async def run_router(process: ProcessContext[RouterSettings]) -> None:
        settings = process.settings
        database = await Database.connect(...)
        process.defer(database.close)
        relay = Relay(...)
        consumer = Consumer(...)
        process.spawn("relay", relay.run(), stop=relay.stop)
        process.spawn("consumer", consumer.run(), stop=consumer.stop)
        process.add_liveness("consumer", consumer.last_turn_age, 60)
        process.add_readiness("consumer", consumer_is_assigned)

    raise SystemExit(run_process("router", run_router, load(RouterSettings)))

What a start needs may be away for a while: after a transient error everything is taken down and set up anew, so a
bootstrap function may run several times.

The order of the end (docs/configuration.md, "How a process ends"): readiness says no; components are stopped one after
another, the last spawned first, so spawn what others lean on first; what isn't done after DRAIN_SECONDS is cancelled;
what was deferred is closed, the last first; probes close; spans are sent. A component that fails, or that ends though
nobody asked, ends the process the same way with exit code 1.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import uvloop

from chassis import faults, logs, metrics, pid_file, telemetry
from chassis.error_text import describe
from chassis.errors import Fate, fate_of
from chassis.http import HttpServer
from chassis.probes import Check, Probes
from chassis.settings import ProcessSettings

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_DRAIN = 3
"""The work in hand wasn't finished within DRAIN_SECONDS. (2 is a refused configuration.)"""

START_SECONDS = 900.0
"""For so long a start waits for Kafka and PostgreSQL.

Longer than the alert OknoProcessNotReady waits (5 minutes), and than Kubernetes lets a container run before a restart
has no pause again (10 minutes).
"""
START_PAUSE_SECONDS = 3.0
_MISCONFIGURED = (FileNotFoundError, PermissionError, ssl.SSLCertVerificationError)
"""A certificate or key that isn't there, or not the server's: nothing to wait for."""
CANCEL_SECONDS = 2.0
CLOSE_SECONDS = 5.0
FLUSH_SECONDS = 3.0
SAMPLE_SECONDS = 0.25

S = TypeVar("S", bound=ProcessSettings)
T = TypeVar("T")

log = logs.get_logger("lifecycle")


class EndedUnasked(Exception):
    """A component that should run until it is stopped returned by itself."""


@dataclass(slots=True)
class _Component:
    name: str
    task: asyncio.Task[Any]
    stop: Callable[[], None] | None


class ProcessContext(Generic[S]):
    """What a bootstrap function gets: the settings, and where to hang the parts of its process."""

    def __init__(self, kind: str, name: str, settings: S) -> None:
        self.kind = kind
        self.name = name
        self.settings = settings
        self.stop = asyncio.Event()
        """Set when the process is to end; whoever sets it ends the process in order, with exit code 0."""
        self.probes = Probes()
        self._components: list[_Component] = []
        self._resources = AsyncExitStack()
        self._hurry = asyncio.Event()
        self._failed = False
        self._starting_anew = False

    def spawn(
        self, name: str, coro: Coroutine[Any, Any, T], *, stop: Callable[[], None] | None = None, once: bool = False
    ) -> asyncio.Task[T]:
        """Run a component until the process ends. `stop` asks it to finish; without it, it is cancelled at the end.

        A component that raises ends the process; so does one that returns early, unless it is to run `once`.
        """
        task = asyncio.create_task(coro, name=name)
        self._components.append(_Component(name, task, stop))
        task.add_done_callback(lambda done: self._ended(name, done, once=once))
        return task

    def serve_http(self, name: str, app: Any, *, host: str, port: int) -> HttpServer:
        """Serve an ASGI app as a component; `.port` and `.url` of what is returned are the real ones."""
        server = HttpServer(app, host=host, port=port, graceful_seconds=self.settings.drain_seconds)
        self.spawn(name, server.run(), stop=server.stop)
        return server

    def add_liveness(self, name: str, age: Callable[[], float], limit: float) -> None:
        """Not live when the seconds since a loop's last turn exceed `limit`."""
        self.probes.add_liveness(name, age, limit)

    def add_readiness(self, name: str, check: Check) -> None:
        """Not ready while `check` answers False or a reason, raises, or takes more than a second."""
        self.probes.add_readiness(name, check)

    def defer(self, close: Callable[[], Awaitable[object]]) -> None:
        """Call `close` after all components have ended; the last deferred first."""
        self._resources.push_async_callback(close)

    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enter an async context manager that is left after all components have ended."""
        return await self._resources.enter_async_context(resource)

    def _ended(self, name: str, task: asyncio.Task[Any], *, once: bool) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        asked = self.stop.is_set() or self._starting_anew
        if isinstance(error, asyncio.CancelledError) and asked:
            return
        if error is None:
            if asked or once:
                return
            error = EndedUnasked(f"{name} ended though nobody stopped it")
        self._failed = True
        self.stop.set()
        metrics.component_failures.labels(name).inc()
        log.error("component_failed", component=name, exc_info=error, while_stopping=asked)

    def _signalled(self, number: int) -> None:
        if self.stop.is_set():
            log.warning("signal_again", signal=signal.Signals(number).name)
            self._hurry.set()
        else:
            log.info("signal", signal=signal.Signals(number).name)
            self.stop.set()

    async def _set_up(self, main: Callable[[ProcessContext[S]], Awaitable[None]]) -> None:
        """Run the bootstrap function, anew after a transient error; a stop meanwhile ends it."""
        deadline = time.monotonic() + START_SECONDS
        while not self.stop.is_set() and (error := await self._try(main)) is not None:
            waits = fate_of(error) is Fate.TRANSIENT and not isinstance(error, _MISCONFIGURED)
            if not waits or time.monotonic() >= deadline or not await self._take_down():
                self._failed = True
                self.stop.set()
                log.error("start_failed", exc_info=error)
                return
            self.probes.waits_for = describe(error)
            log.warning("start_waits", error=describe(error), pause_seconds=START_PAUSE_SECONDS)
            try:
                async with asyncio.timeout(START_PAUSE_SECONDS):
                    await self.stop.wait()
            except TimeoutError:
                pass

    async def _try(self, main: Callable[[ProcessContext[S]], Awaitable[None]]) -> Exception | None:
        """Run the bootstrap function once; what it raised. A stop meanwhile cancels it."""
        setting_up = asyncio.ensure_future(main(self))
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({setting_up, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if not setting_up.done():
            setting_up.cancel()
            await asyncio.wait({setting_up}, timeout=CANCEL_SECONDS)
            return None
        try:
            setting_up.result()
        except Exception as error:  # noqa: BLE001 - its fate is the caller's to decide
            return error
        return None

    async def _take_down(self) -> bool:
        """End and close what a start that failed has set up. False when some of it doesn't end."""
        self._starting_anew = True
        await self._drain()
        if await _finish([component.task for component in self._components]):
            return False
        self._components.clear()
        await self._close()
        self.probes.forget()
        self._starting_anew = False
        return True

    async def _drain(self) -> bool:
        """Stop the components, the last spawned first. False when some had to be cancelled."""
        deadline = time.monotonic() + self.settings.drain_seconds
        hurry = asyncio.create_task(self._hurry.wait())
        late = []
        for component in reversed(self._components):
            task = component.task
            if task.done():
                continue
            if component.stop is None:
                task.cancel()
            else:
                component.stop()
            left = 0 if hurry.done() else max(0, deadline - time.monotonic())
            await asyncio.wait({task, hurry}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                late.append(component.name)
                task.cancel()
        hurry.cancel()
        if late:
            log.error("drain_incomplete", components=late, drain_seconds=self.settings.drain_seconds)
        return not late

    async def _close(self) -> None:
        try:
            await asyncio.wait_for(self._resources.aclose(), CLOSE_SECONDS)
        except Exception as error:
            log.warning("close_failed", exc_info=error)

    async def live(self, main: Callable[[ProcessContext[S]], Awaitable[None]]) -> int:
        """Start, run until stopped, end. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        self.probes.state = "starting"
        server = HttpServer(
            self.probes, host=self.settings.probe_host, port=self.settings.probe_port, graceful_seconds=1
        )
        serving = asyncio.create_task(server.run(), name="probes")
        sampling = asyncio.create_task(_sample_delay(), name="event-loop-delay")
        log.info("starting", kind=self.kind, pid=os.getpid(), probes=server.url)
        await self._set_up(main)
        if not self.stop.is_set():
            log.info("started", components=[component.name for component in self._components])
            self.probes.state = "running"
            await self.stop.wait()
        self.stop.set()
        self.probes.state = "stopping"
        metrics.process_stopping.set(1)
        drained = await self._drain()
        stuck = await _finish([component.task for component in self._components])
        await self._close()
        sampling.cancel()
        server.stop()
        stuck += await _finish([serving], CLOSE_SECONDS)
        if not await telemetry.shutdown(FLUSH_SECONDS):
            log.warning("telemetry_not_flushed", seconds=FLUSH_SECONDS)
        code = EXIT_FAILED if self._failed else EXIT_OK if drained else EXIT_DRAIN
        log.info("stopped", code=code)
        if stuck:
            log.error("tasks_stuck", tasks=stuck)
            self._leave_at_once(code or EXIT_DRAIN)
        return code

    def _leave_at_once(self, code: int) -> NoReturn:
        """Tasks that take no cancellation would hold the event loop's end for ever."""
        if self.settings.pid_file is not None:
            pid_file.remove(self.settings.pid_file)
        sys.stdout.flush()
        os._exit(code)


async def _finish(tasks: list[asyncio.Task[Any]], seconds: float = CANCEL_SECONDS) -> list[str]:
    """Wait for tasks to end; the names of those that don't."""
    if not tasks:
        return []
    _, pending = await asyncio.wait(tasks, timeout=seconds)
    return [task.get_name() for task in pending]


async def _sample_delay() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        metrics.event_loop_delay.observe(max(0.0, loop.time() - due))


def _spare_the_collector() -> None:
    """What a process has loaded by now stays; and a batch's thousands of objects are no reason to look for cycles.

    With Python's defaults a busy process spends a sixth of its time in the collector, which finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def run_process(
    kind: str,
    main: Callable[[ProcessContext[S]], Awaitable[None]],
    settings: S,
    *,
    name: str | None = None,
) -> int:
    """Run one process of Okno from start to end and return its exit code.

    `main` connects what it needs, spawns its components and returns; the process then runs until SIGTERM, SIGINT or
    a component's failure. A second signal cuts the drain short. `name` (default PROCESS_NAME, else `kind`) is stable
    over restarts.
    """
    name = name or settings.process_name or kind
    logs.configure(settings, name)
    telemetry.configure(settings, kind=kind, name=name)
    faults.configure(settings.fault_points, settings.fault_directory)
    metrics.process_info.info({"kind": kind, "name": name})

    async def set_up(process: ProcessContext[S]) -> None:
        await main(process)
        _spare_the_collector()

    async def live() -> int:
        return await ProcessContext(kind, name, settings).live(set_up)

    with pid_file.held(settings.pid_file):
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(live())
        except Exception as error:
            log.error("process_failed", exc_info=error)  # noqa: TRY400  exc_info is given
            return EXIT_FAILED
