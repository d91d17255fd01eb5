"""A database that is copied while it works, and set back to the copy some time later, as after a disk was lost.

Everybody finishes first: what was acknowledged and not published is lost with a database (docs/backup-and-restore.md),
and the check knows no such excuse. Then nothing is lost at all.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from chaos.gate import Gate
from chaos.links import DOORS, Links
from chaos.nemesis_plan import PROCESSES
from chaos.records import Records
from chaos.watch import take, write_down
from sandbox.stack.errors import StackError
from sandbox.stack.paths import ROOT
from sandbox.stack.stack import Stack

POSTGRES = "postgres"


class Backups:
    """One backup at a time, in the stack's state folder."""

    def __init__(self, stack: Stack, links: Links, desk: Gate, records: Records) -> None:
        self._stack = stack
        self._links = links
        self._desk = desk
        self._records = records
        self._data = stack.state / "data" / "postgres" / "data"
        self._copy = stack.state / "backup"
        self.usable = False

    async def make(self) -> None:
        """Of a server that was killed: what a snapshot of its disk holds."""
        await self._stack.kill(POSTGRES)
        await _copied(self._data, self._copy)
        await self._stack.start_process(POSTGRES)
        self.usable = True

    async def set_back(self, at_rest: Callable[[], Awaitable[bool]]) -> bool:
        """Set the database back and bring it forward again with `okno restore`; False when nobody came to rest.

        All processes are stopped meanwhile, and started again. StackError when `okno restore` fails.
        """
        doors = [self._links.proxies[name] for name in DOORS]
        async with self._desk.closed():
            for proxy in doors:
                proxy.refusing = True
            try:
                if not await at_rest():
                    return False
                await asyncio.gather(*map(self._stack.stop_process, PROCESSES))
                await self._replace()
                await asyncio.gather(*(self._stack.start_process(name, wait=False) for name in PROCESSES))
            finally:
                for proxy in doors:
                    proxy.lift()
        self.usable = False
        return True

    async def _replace(self) -> None:
        dsn = self._stack.info.postgres.dsn
        seen = await take(dsn)
        await self._stack.kill(POSTGRES)
        await _copied(self._copy, self._data)
        await self._stack.start_process(POSTGRES)
        said, code = await _okno_restore(
            {**self._stack.process("router-0").launch.env, "DATABASE_URL": dsn,
             "KAFKA_BOOTSTRAP_SERVERS": self._stack.info.kafka.bootstrap_servers}
        )  # fmt: skip
        self._records.write("restored", code=code, said=said)
        if code:
            raise StackError(f"okno restore ended with code {code}:\n{said}")
        await write_down(dsn, seen)


async def _copied(source: Path, target: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
    copying = await asyncio.create_subprocess_exec("cp", "-a", str(source), str(target))
    if await copying.wait():
        raise StackError(f"{source} could not be copied to {target}")


async def _okno_restore(env: dict[str, str]) -> tuple[str, int]:
    """What it said, and its exit code."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "restore", cwd=ROOT, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await running.communicate()
    return said.decode(), running.returncode or 0
