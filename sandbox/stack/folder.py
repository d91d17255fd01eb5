"""The state folder of a stack: its two files, and that one command at a time works in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from sandbox.stack.errors import StackError
from sandbox.stack.info import Registry, StackInfo

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Reading raises StackError where a file is there, but isn't what was written."""

    path: Path

    @property
    def stack_file(self) -> Path:
        return self.path / "stack.json"

    @property
    def registry_file(self) -> Path:
        return self.path / "processes.json"

    def stack(self) -> StackInfo | None:
        """The stack that runs, as its file says; None without a file."""
        return _read(StackInfo, self.stack_file)

    def registry(self) -> Registry | None:
        """What was started; None when nothing was, or all of it was stopped in order."""
        return _read(Registry, self.registry_file)

    def write(self, model: StackInfo | Registry) -> None:
        """Write whole or not at all, readable by its owner only: the files hold tokens."""
        file = self.stack_file if isinstance(model, StackInfo) else self.registry_file
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(model.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.replace(file)

    def forget(self) -> None:
        """Nothing runs any more."""
        self.stack_file.unlink(missing_ok=True)
        self.registry_file.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One command at a time starts or stops the stack of a folder. StackError for another one."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StackError("another command is starting or stopping the stack right now") from error
            yield


def _read(kind: type[M], file: Path) -> M | None:
    try:
        return kind.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise StackError(f"{file} can't be read ({error.error_count()} errors); was it changed by hand?") from error
