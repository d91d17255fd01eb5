"""Stopping exactly what a stack started: a process is signalled only when its pid and start time are the recorded ones,
or when its own pid file names it and it runs the recorded command line (a replacement that a test driver started).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.stack import become
from sandbox.stack.info import ProcessInfo
from sandbox.stack.process import Launch, RunningProcess, find

STOP_SECONDS = 35.0  # a service drains for 20 s at most, then closes
_LAST = ("sandbox",)
BASIS = ("kafka", "postgres", "zipkin")


@dataclass(frozen=True, slots=True)
class Stopped:
    """What `stop_all` did: names that were stopped, of these the ones that had to be killed, and names already gone."""

    stopped: list[str]
    killed: list[str]
    gone: list[str]


def running(name: str, info: ProcessInfo, *, since: float) -> list[RunningProcess]:
    """The living processes of this name: the one that was started, and a replacement found by its pid file."""
    found: dict[int, RunningProcess] = {}
    launch = launch_of(name, info)
    if find(info.pid, info.started_at) is not None:
        found[info.pid] = RunningProcess(launch, info.pid, info.started_at)
    replacement = _by_pid_file(info, since)
    if replacement is not None:
        found[replacement.pid] = RunningProcess(launch, replacement.pid, replacement.create_time())
    return list(found.values())


def launch_of(name: str, info: ProcessInfo) -> Launch:
    """How to start the process again."""
    stop_signal = signal.SIGINT if name == "postgres" else signal.SIGTERM
    return Launch(name, info.command, info.env, Path(info.cwd), Path(info.log), Path(info.pid_file), stop_signal)


def _by_pid_file(info: ProcessInfo, since: float) -> psutil.Process | None:
    with contextlib.suppress(OSError, ValueError, psutil.Error):  # an empty file is no number
        process = psutil.Process(int(Path(info.pid_file).read_text(encoding="ascii").partition("\n")[0]))
        ours = _same_command(process.cmdline(), info.command) and process.create_time() >= since - 1.0
        return find(process.pid, process.create_time()) if ours else None
    return None


def _same_command(actual: list[str], recorded: list[str]) -> bool:
    """Whether a process runs the recorded command; the program itself may be named by another path (a link)."""
    for expected in (recorded, become.target(recorded)):
        if actual[1:] == expected[1:] and bool(actual) and Path(actual[0]).name == Path(expected[0]).name:
            return True
    return False


async def stop_all(processes: dict[str, ProcessInfo], *, since: float) -> Stopped:
    """Stop services first, then the sandbox, then Kafka and PostgreSQL, each group together."""
    report = Stopped([], [], [])
    services = [name for name in processes if name not in _LAST and name not in BASIS]
    for group in (services, _LAST, BASIS):
        await asyncio.gather(*(_stop(name, processes[name], since, report) for name in group if name in processes))
    return report


async def _stop(name: str, info: ProcessInfo, since: float, report: Stopped) -> None:
    living = running(name, info, since=since)
    if not living:
        report.gone.append(name)
    for process in living:
        went = await process.stop(patience=STOP_SECONDS)
        (report.stopped if went else report.killed).append(name)
    Path(info.pid_file).unlink(missing_ok=True)


def any_running(processes: Iterable[tuple[str, ProcessInfo]], *, since: float) -> list[str]:
    """Names of the processes that still run."""
    return [name for name, info in processes if running(name, info, since=since)]
