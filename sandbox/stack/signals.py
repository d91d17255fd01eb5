"""A request to end (SIGTERM, a closed terminal) ends the runner in order, like Ctrl-C: what it started is stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending_in_order() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP cancel the current task (once). Outside the main thread: nothing."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    caught: list[signal.Signals] = []

    def end() -> None:
        for number in caught:
            loop.remove_signal_handler(number)
        caught.clear()
        if task is not None:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        try:
            loop.add_signal_handler(number, end)
        except (RuntimeError, ValueError):
            continue
        caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
