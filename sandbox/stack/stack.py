"""The running stack: starts everything in order, knows each process by name, restarts none by itself, and stops exactly
what it started.

Foreground: `async with Stack(options) as stack:`; everything is stopped at the end. Background: `await stack.start()`
and leave; `Stack.attached()` finds it again through its files.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sandbox.stack import basis, cleanup, platforms
from sandbox.stack.errors import ProcessFailed, StackError
from sandbox.stack.folder import StateFolder
from sandbox.stack.info import ProcessInfo, Registry, StackInfo, described
from sandbox.stack.options import StackOptions
from sandbox.stack.paths import ROOT
from sandbox.stack.plan import SANDBOX, Addresses, Plan, Process, environment, processes
from sandbox.stack.prepare import prepare
from sandbox.stack.process import Launch, RunningProcess, start, until_ready
from sandbox.stack.progress import Progress
from sandbox.stack.register import register
from sandbox.stack.signals import ending_in_order
from sandbox.stack.web import answers_ok, get

READY_SECONDS = 120.0

Ready = Callable[[], Awaitable[bool]]


class CommandOf(Protocol):
    """The command line of a process of Okno."""

    def __call__(self, kind: str, name: str) -> Sequence[str]: ...


def okno_command(kind: str, name: str) -> list[str]:
    """`okno run <kind> --name <name>`, without the shell script around it, so that the pid is the process's own."""
    return [sys.executable, "-m", "cli", "run", kind, "--name", name]


class Stack:
    """One stack in one state folder. Tests of the runner itself replace `command_of`, `prepare` and `register`."""

    def __init__(
        self,
        options: StackOptions | None = None,
        *,
        progress: Progress | None = None,
        command_of: CommandOf = okno_command,
        prepare: Callable[[Addresses, Progress], Awaitable[str]] = prepare,
        register: Callable[[Plan], Awaitable[None]] = register,
    ) -> None:
        self.options = options if options is not None else StackOptions()
        self.state = self.options.state
        self._folder = StateFolder(self.state)
        self._progress = progress if progress is not None else Progress()
        self._command_of = command_of
        self._prepare = prepare
        self._register = register
        self._running: dict[str, RunningProcess] = {}
        self._ready: dict[str, Ready] = {}
        self._ready_urls: dict[str, str] = {}
        self._leaving: set[str] = set()
        self._started_at = 0.0
        self._info: StackInfo | None = None
        self._signals = ExitStack()

    # --- as a whole ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        with ExitStack() as signals:
            signals.enter_context(ending_in_order())
            await self.start()
            self._signals = signals.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._signals:
            await self.stop()

    @property
    def info(self) -> StackInfo:
        """What stack.json says."""
        if self._info is None:
            raise StackError("the stack is not up: make up")
        return self._info

    async def start(self) -> StackInfo:
        """Start everything; on any failure stop what was started and raise. StackError when a stack is up already."""
        with self._folder.alone():
            self._refuse_second()
            try:
                return await self._start()
            except BaseException:
                await self._stop_everything()
                raise

    async def stop(self) -> cleanup.Stopped:
        """Stop every process of this stack, replacements included, and remove its files."""
        with self._folder.alone():
            return await self._stop_everything()

    @classmethod
    def attached(cls, state: Path | None = None, *, progress: Progress | None = None) -> Stack:
        """The stack that runs in the background. StackError when there is none."""
        options = StackOptions() if state is None else StackOptions(state=state)
        stack = cls(options, progress=progress)
        info = stack._folder.stack()
        if info is None:
            raise StackError("no stack is up (there is no stack.json): make up")
        stack._info = info
        stack._started_at = info.started_at
        for name, known in info.processes.items():
            living = cleanup.running(name, known, since=info.started_at)
            launch = cleanup.launch_of(name, known)
            stack._running[name] = living[-1] if living else RunningProcess(launch, known.pid, known.started_at)
            stack._ready[name] = basis.readiness(name, info, known.ready_url)
            if known.ready_url is not None:
                stack._ready_urls[name] = known.ready_url
        return stack

    # --- one process ---------------------------------------------------------------------------------------------

    def process(self, name: str) -> RunningProcess:
        """The process of this name, as it was last started, here or by somebody else."""
        if name not in self._running:
            raise StackError(f"there is no process {name}; there are {', '.join(sorted(self._running))}")
        known = self._running[name]
        if not known.alive():
            infos = self._process_infos()
            self._running[name] = next(iter(cleanup.running(name, infos[name], since=self._started_at)), known)
        return self._running[name]

    async def stop_process(self, name: str) -> None:
        """SIGTERM (SIGINT for PostgreSQL), and wait until it is gone."""
        self._leaving.add(name)
        await self.process(name).stop(patience=cleanup.STOP_SECONDS)

    async def kill(self, name: str) -> None:
        """`kill -9`, and wait until it is gone."""
        self._leaving.add(name)
        await self.process(name).kill()

    async def start_process(
        self, name: str, *, env: Mapping[str, str] | None = None, cwd: Path | None = None, wait: bool = True
    ) -> None:
        """Start a stopped or killed process again, with changed settings when `env` is given, with the code of another
        checkout when `cwd` is.
        """
        launch = self.process(name).launch
        if self.process(name).alive():
            raise StackError(f"{name} runs already")
        if env is not None:
            launch = replace(launch, env={**launch.env, **env})
        if cwd is not None:
            launch = replace(launch, cwd=cwd)
        await self._launch(launch, self._ready[name], wait=wait)

    async def restart(self, name: str, *, env: Mapping[str, str] | None = None) -> None:
        """Stop and start a process, and wait until it is ready."""
        await self.stop_process(name)
        await self.start_process(name, env=env)

    async def revive(self) -> list[str]:
        """Start every process that is down, and let suspended ones go on; their names. For tests: nothing else calls
        it.
        """
        down = [name for name in self._running if not self.process(name).alive()]
        for process in self._running.values():
            process.resume()
        servers = [name for name in down if name in cleanup.BASIS]
        for group in (servers, [name for name in down if name not in servers]):
            await _all(self.start_process(name) for name in group)
        return down

    async def ready(self, name: str) -> bool:
        return self.process(name).alive() and await self._ready[name]()

    async def until_ready(self, name: str) -> None:
        """Wait until a process is ready; ProcessFailed when it ends instead."""
        try:
            await until_ready(self.process(name), self._ready[name], seconds=READY_SECONDS)
        except ProcessFailed as error:
            raise await self._explained(name, error) from error

    async def watch(self) -> None:
        """Return never; raise ProcessFailed when a process ends that nobody stopped through this object."""
        while True:
            for name, process in self._running.items():
                if name not in self._leaving and not process.alive():
                    code = process.exit_code()
                    raise process.failed("ended by itself" if code is None else f"ended by itself with code {code}")
            await asyncio.sleep(0.25)

    # --- inside --------------------------------------------------------------------------------------------------

    def _refuse_second(self) -> None:
        registry = self._folder.registry()
        if registry is None:
            return
        living = cleanup.any_running(registry.processes.items(), since=registry.started_at)
        if living:
            raise StackError(
                f"the stack is up already ({len(living)} of {len(registry.processes)} processes run): "
                f"see `make status`, or stop it with `make down` first"
            )
        self._progress.say("The last stack did not end in order, and nothing of it runs any more: starting anew.")
        self._folder.forget()

    async def _start(self) -> StackInfo:
        self._started_at = time.time()
        if self.options.fresh:
            shutil.rmtree(self.state / "data", ignore_errors=True)
        for folder in ("logs", "run", "faults"):
            shutil.rmtree(self.state / folder, ignore_errors=True)
            (self.state / folder).mkdir(parents=True)
        addresses = await self._start_basis()
        plan = self._plan(addresses, await self._prepare(addresses, self._progress))
        await self._start_processes(plan)
        await self._register(plan)
        self._info = described(plan, started_at=self._started_at, state=self.state, processes=self._process_infos())
        self._folder.write(self._info)
        return self._info

    def _plan(self, addresses: Addresses, token: str) -> Plan:
        planned = processes(self.options)
        sandbox_url = planned[SANDBOX].http_url
        slack, telegram = platforms.slack(sandbox_url), platforms.telegram(sandbox_url)
        return Plan(self.options, addresses, slack, telegram, planned, token)

    async def _start_basis(self) -> Addresses:
        parts = await basis.prepare(self.options, self._progress)
        if parts.servers:
            names = " and ".join(server.title for server in parts.servers)
            with self._progress.step(f"{names}: starting"):
                await _all(self._launch(server.launch, server.ready) for server in parts.servers)
        return await parts.addresses()

    async def _start_processes(self, plan: Plan) -> None:
        """The sandbox first, because ingest registers its webhook there; then all services at once."""
        names = [SANDBOX, *(name for name in plan.processes if name != SANDBOX)]
        with self._progress.step("Processes of Okno: starting") as step:
            ready: set[str] = set()

            async def one(name: str) -> None:
                await self._start_planned(plan, plan.processes[name])
                ready.add(name)
                step.update(f"{len(ready)} of {len(names)} ready ({name})")

            await one(SANDBOX)
            await _all(one(name) for name in names[1:])
            step.update(f"{len(ready)} ready")

    async def _start_planned(self, plan: Plan, process: Process) -> None:
        launch = Launch(
            process.name,
            self._command_of(process.kind, process.name),
            environment(plan, process),
            ROOT,
            self.state / "logs" / f"{process.name}.log",
            self.state / "run" / f"{process.name}.pid",
        )
        url = f"{process.probe_url}/readyz"
        self._ready_urls[process.name] = url
        await self._launch(launch, lambda: answers_ok(url))

    async def _launch(self, launch: Launch, ready: Ready, *, wait: bool = True) -> None:
        process = start(launch)
        self._running[launch.name] = process
        self._ready[launch.name] = ready
        self._leaving.discard(launch.name)
        if self._info is None:
            self._folder.write(Registry(started_at=self._started_at, processes=self._process_infos()))
        if wait:
            await self.until_ready(launch.name)

    async def _explained(self, name: str, error: ProcessFailed) -> ProcessFailed:
        """What a process that lives but isn't ready says about itself."""
        url = self._ready_urls.get(name)
        if url is None or not self._running[name].alive():
            return error
        status, text = await get(url)
        said = f"{error.problem} (/readyz says {status}: {text.strip()[:500]})"
        return ProcessFailed(name, said, error.log_tail)

    def _process_infos(self) -> dict[str, ProcessInfo]:
        return {
            name: ProcessInfo(
                pid=process.pid,
                command=list(process.launch.command),
                env=dict(process.launch.env),
                cwd=str(process.launch.cwd),
                started_at=process.started,
                pid_file=str(process.launch.pid_file),
                log=str(process.launch.log),
                ready_url=self._ready_urls.get(name),
            )
            for name, process in self._running.items()
        }

    async def _stop_everything(self) -> cleanup.Stopped:
        self._leaving.update(self._running)
        known = self._process_infos()
        registry = self._folder.registry()
        if registry is not None:
            known = {**registry.processes, **known}
        report = await cleanup.stop_all(known, since=self._started_at)
        for process in self._running.values():
            process.alive()  # reaps our own children
        self._folder.forget()
        self._running.clear()
        self._info = None
        return report


async def stop_background(state: Path) -> cleanup.Stopped | None:
    """Stop the stack of a state folder, whatever state it is in; None when there is nothing to stop."""
    folder = StateFolder(state)
    with folder.alone():
        registry = folder.registry()
        report = None if registry is None else await cleanup.stop_all(registry.processes, since=registry.started_at)
        folder.forget()
        return report


async def _all(work: Iterator[Awaitable[None]]) -> None:
    """Run together; the first failure cancels the rest and is raised as it is."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
