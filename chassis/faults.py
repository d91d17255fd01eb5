"""Named places where a test can kill, stop, hold or break a process. Off, and free of cost, unless FAULT_POINTS is set.

    FAULT_POINTS="router.committed=kill,ticketing.relayed=stop@2,x=error:Message,y=hold:/run/okno/go,z=file:/run/okno/z"

Before a fault acts, `FAULT_DIRECTORY/<name>.reached` is written: a test can assert that the point was reached.
Actions: `kill` (SIGKILL), `stop` (SIGSTOP), `error[:text]`, `transient[:text]`, `data[:text]` (exceptions of that
fate), `hold:<file>` (waits until the file exists), `file:<file>` (once the file exists, takes it away and does what it
says: a running process can be broken). `@n` acts at the n-th time only; without it, every time.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from chassis.errors import DataError, Transient

CONSUMER_POINTS: dict[str, str] = {
    "<consumer>.polled": "Records were fetched, no transaction has begun.",
    "<consumer>.handled": "The handler is done, the batch isn't committed.",
    "<consumer>.committed": "The batch is committed, nothing of it is relayed.",
    "<consumer>.settled": "What follows a commit is done; the group's offset isn't committed.",
}
RELAY_POINTS: dict[str, str] = {
    "<relay>.taken": "Outbox rows were read, nothing is published.",
    "<relay>.relayed": "Rows are published and acknowledged, not deleted.",
}
COMPARING_POINTS: dict[str, str] = {
    "<service>.compares": "It is about to be looked whether the database was compared with the log.",
}
POINTS: dict[str, str] = CONSUMER_POINTS | RELAY_POINTS | COMPARING_POINTS
"""Every fault point of the chassis; `<consumer>`, `<relay>` and `<service>` stand for the owner's `fault_prefix`."""


@dataclass(slots=True)
class _Fault:
    action: str
    detail: str
    turn: int | None
    count: int = 0


_faults: dict[str, _Fault] = {}
_directory: Path | None = None


def configure(points: str = "", directory: Path | None = None) -> None:
    """Set the faults of this process. Raises ValueError for what can't be understood."""
    global _directory
    parsed = dict(map(_parse, filter(None, map(str.strip, points.split(",")))))
    if parsed and directory is None:
        raise ValueError("FAULT_POINTS needs FAULT_DIRECTORY, where reached points leave a file")
    _faults.clear()
    _faults.update(parsed)
    _directory = directory


def _parse(text: str) -> tuple[str, _Fault]:
    name, equals, rest = text.partition("=")
    rest, at, turn = rest.partition("@")
    action, _, detail = rest.partition(":")
    known = action in {"kill", "stop", "error", "transient", "data", "hold", "file"}
    if not (name and equals and known) or (at and not turn.isdigit()) or (action in {"hold", "file"} and not detail):
        raise ValueError(f"FAULT_POINTS: {text!r} isn't name=action[:detail][@turn] with a known action")
    return name, _Fault(action, detail, int(turn) if at else None)


async def fault_point(name: str) -> None:
    """Does nothing in production."""
    if not _faults:
        return
    fault = _faults.get(name)
    if fault is None:
        return
    fault.count += 1
    if fault.turn is not None and fault.count != fault.turn:
        return
    if fault.action == "file":
        said = _taken(Path(fault.detail))
        if not said:
            return
        _, fault = _parse(f"{name}={said}")
    if _directory is not None:
        _mark(_directory / f"{name}.reached")
    await _act(name, fault)


async def _act(name: str, fault: _Fault) -> None:
    match fault.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "error":
            raise RuntimeError(fault.detail or name)
        case "transient":
            raise Transient(fault.detail or name)
        case "data":
            raise DataError("fault", fault.detail or name)
        case _:
            while not Path(fault.detail).exists():  # noqa: ASYNC240 - the test is another process
                await asyncio.sleep(0.01)


def _taken(path: Path) -> str:
    """What a file says; it is removed. Empty when there is none."""
    try:
        said = path.read_text()
        path.unlink()
    except FileNotFoundError:
        return ""
    return said.strip()


def _mark(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(os.getpid()))
