"""Says what is going on whenever something takes more than two seconds, on a terminal and without one.

On a terminal a running step is one line that changes; elsewhere (CI, a pipe) a step prints a line when it starts to
take long and at most one every five seconds, so that logs stay readable.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

QUIET_SECONDS = 1.0
LINE_SECONDS = 5.0
_FRAMES = "|/-\\"


class Step:
    """One step under way; `update` says how far it is."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""
        self.began = time.monotonic()

    def update(self, detail: str) -> None:
        self.detail = detail

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def text(self) -> str:
        return f"{self.title}: {self.detail}" if self.detail else self.title


class Progress:
    """Prints steps to a stream. Steps don't nest."""

    def __init__(self, stream: TextIO | None = None, *, enabled: bool = True) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._enabled = enabled
        self._terminal = self._stream.isatty()

    def say(self, text: str) -> None:
        """One finished line."""
        if self._enabled:
            print(text, file=self._stream, flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show the step while its block runs; at the end its title, last detail and duration stay as one line."""
        step = Step(title)
        if not self._enabled:
            yield step
            return
        done = threading.Event()
        painter = threading.Thread(target=self._paint, args=(step, done), daemon=True)
        painter.start()
        mark = "failed"
        try:
            yield step
            mark = "ok"
        finally:
            done.set()
            painter.join()
            self._line(f"  {mark:<6} {step.text()} ({step.seconds():.1f} s)", final=True)

    def _paint(self, step: Step, done: threading.Event) -> None:
        frame = 0
        next_line = QUIET_SECONDS
        while not done.wait(0.1 if self._terminal else 0.25):
            if self._terminal:
                frame += 1
                self._line(f"  {_FRAMES[frame % 4]}      {step.text()} ({step.seconds():.0f} s)", final=False)
            elif step.seconds() >= next_line:
                next_line = step.seconds() + LINE_SECONDS
                self._line(f"  ...    {step.text()} ({step.seconds():.0f} s)", final=True)

    def _line(self, text: str, *, final: bool) -> None:
        if self._terminal:
            self._stream.write(f"\r\033[K{text}" + ("\n" if final else ""))
            self._stream.flush()
        else:
            print(text, file=self._stream, flush=True)


SILENT = Progress(enabled=False)
