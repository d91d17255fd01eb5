"""What the stack runner refuses or fails with; every message says what to do next."""

from __future__ import annotations


class StackError(Exception):
    """The stack can't be started, or isn't what its file says; the message is meant for a person."""


class MissingTool(StackError):
    """A program that the embedded parts need isn't installed."""


class ProcessFailed(StackError):
    """A process ended, or didn't become ready; carries the last lines of its log."""

    def __init__(self, name: str, problem: str, log_tail: str) -> None:
        self.name = name
        self.problem = problem
        self.log_tail = log_tail
        text = f"{name} {problem}"
        super().__init__(f"{text}; the end of its log:\n{log_tail}" if log_tail else f"{text}; its log is empty")
