"""Toy processes for tests of the stack runner, and how to find those that still live."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

from sandbox.stack.plan import Addresses, Plan
from sandbox.stack.progress import Progress

TOY = Path(__file__).with_name("toy.py")


def toy_command(kind: str, name: str) -> list[str]:
    return [sys.executable, str(TOY), kind, name]


async def no_preparation(addresses: Addresses, progress: Progress) -> str:
    return "okno_toy-token"


async def no_registration(plan: Plan) -> None:
    """Toys know no platforms."""


def toys(state: Path) -> list[psutil.Process]:
    """Every living toy of a state folder."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = str(TOY) in process.cmdline() and process.environ().get("PID_FILE", "").startswith(str(state))
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
