"""What a fault is, and what it is caused in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox.scenarios.clients import Clients
from sandbox.stack.stack import Stack


@dataclass(frozen=True, slots=True)
class Scene:
    """The running stack. `points` is the folder in which processes are told to wait (processes.py)."""

    stack: Stack
    clients: Clients
    http: httpx.AsyncClient
    points: Path

    @property
    def database(self) -> str:
        return self.stack.info.postgres.dsn


@dataclass(frozen=True, slots=True)
class Fault:
    """`alerts` fire while it lasts; `after` fire only when it has ended, since late events count when they arrive.
    `least`: seconds that it lasts at least.
    """

    says: str
    alerts: frozenset[str]
    cause: Callable[[Scene], AbstractAsyncContextManager[None]]
    after: frozenset[str] = frozenset()
    least: float = 0.0

    @property
    def proves(self) -> frozenset[str]:
        return self.alerts | self.after


@asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Work that goes on while inside; what it raises ends the inside too."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        yield
        task.cancel()
