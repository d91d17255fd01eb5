"""A foreground stack of toys, as `make demo` holds one: `python -m tests.integration.stack.foreground FOLDER`."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from sandbox.stack.options import StackOptions
from sandbox.stack.progress import SILENT
from sandbox.stack.stack import Stack
from tests.integration.stack.toys import no_preparation, no_registration, toy_command


async def main() -> None:
    options = StackOptions(state=Path(sys.argv[1]), stable_ports=False)
    async with Stack(
        options, progress=SILENT, command_of=toy_command, prepare=no_preparation, register=no_registration
    ):
        print("up", flush=True)
        await asyncio.Event().wait()


signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in its background without it
asyncio.run(main())
