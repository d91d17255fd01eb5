"""What lies between running servers and running processes: topics, schemas, an admin token; done with the commands that
an operator uses, each safe to repeat.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping

from sandbox.stack.errors import StackError
from sandbox.stack.paths import ROOT
from sandbox.stack.plan import Addresses, common_environment
from sandbox.stack.progress import Progress

_TOKEN = re.compile(r"\bokno_[A-Za-z0-9_-]{16,}")


async def prepare(addresses: Addresses, progress: Progress) -> str:
    """Apply topics and schemas, then make an admin token for this stack and return it."""
    env = common_environment(addresses)
    with progress.step("Topics and schemas: applying"):
        await asyncio.gather(okno(env, "topics", "apply"), okno(env, "migrate"))
        return await admin_token(env, "stack")


async def admin_token(env: Mapping[str, str], name: str) -> str:
    """A new admin token; the schemas are there."""
    token = _TOKEN.search(await okno(env, "tokens", "create", name, "--role", "admin"))
    if token is None:
        raise StackError("`okno tokens create` printed no token")
    return token[0]


async def okno(env: Mapping[str, str], *arguments: str) -> str:
    """Run an `okno` command and return what it printed; StackError with its output when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *arguments,
        cwd=ROOT,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    text = output.decode("utf-8", "replace")
    if process.returncode != 0:
        raise StackError(f"`okno {' '.join(arguments)}` failed with code {process.returncode}:\n{text.strip()}")
    return text
