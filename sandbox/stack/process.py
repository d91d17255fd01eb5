"""One process that we started: known by pid and start time together, so that a pid used again by somebody else is
never signalled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sandbox.stack.errors import ProcessFailed

TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class Launch:
    """How a process is started: exactly this command, environment and working directory, nothing inherited."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    pid_file: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(slots=True)
class RunningProcess:
    """A started process. `started` is its start time (seconds since the epoch), the other half of its identity."""

    launch: Launch
    pid: int
    started: float
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.launch.name

    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return find(self.pid, self.started) is not None

    def exit_code(self) -> int | None:
        """The exit code when the process has ended and was our child (negative: the signal that ended it)."""
        return self._child.poll() if self._child is not None else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process still is the one we started."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def suspend(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    async def stop(self, *, patience: float = 30.0) -> bool:
        """Ask to stop, wait up to `patience` seconds, then kill. True when it went by itself."""
        if not self.alive():
            return True
        self.resume()
        self.send(self.launch.stop_signal)
        if await self._gone(patience):
            return True
        await self.kill()
        return False

    async def kill(self) -> None:
        """`kill -9`, and wait until the process and its children are gone (PostgreSQL's children notice and leave)."""
        children: list[psutil.Process] = []
        process = find(self.pid, self.started)
        if process is not None:
            with contextlib.suppress(psutil.Error):
                children = process.children(recursive=True)
        self.send(signal.SIGKILL)
        await self._gone(10.0)
        for child in children:
            await _wait(lambda child=child: not _runs(child), 10.0)  # type: ignore[misc]

    async def _gone(self, seconds: float) -> bool:
        return await _wait(lambda: not self.alive(), seconds)

    def log_tail(self) -> str:
        return tail(self.launch.log)

    def failed(self, problem: str) -> ProcessFailed:
        return ProcessFailed(self.name, problem, self.log_tail())


def start(launch: Launch) -> RunningProcess:
    """Start a process in a session of its own: Ctrl-C in the terminal reaches the runner only, which stops the rest in
    order.
    """
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    if launch.pid_file is not None:
        launch.pid_file.parent.mkdir(parents=True, exist_ok=True)
    with launch.log.open("ab") as log:
        child = subprocess.Popen(
            list(launch.command),
            env=dict(launch.env),
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:
        started = time.time()
    return RunningProcess(launch, child.pid, started, child)


def find(pid: int, started: float) -> psutil.Process | None:
    """The living process with this pid and start time (to 1/20 second); None when it is gone or another has the pid."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 0.05
        return process if same and _runs(process) else None
    except psutil.Error:
        return None


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


async def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def until_ready(
    process: RunningProcess, ready: Callable[[], Awaitable[bool]], *, seconds: float, what: str = "ready"
) -> None:
    """Ask `ready` again and again; ProcessFailed when the process ends or the seconds pass."""
    deadline = time.monotonic() + seconds
    while not await ready():
        if not process.alive():
            code = process.exit_code()
            raise process.failed("ended" if code is None else f"ended with code {code}")
        if time.monotonic() > deadline:
            raise process.failed(f"was not {what} after {seconds:.0f} s")
        await asyncio.sleep(0.05)


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
