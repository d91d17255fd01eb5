"""stack.json: what runs, where, and how to start each part again. An interface for test drivers outside this
repository (docs/stack-json.md): fields are added, never renamed or removed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.stack.errors import StackError

M = TypeVar("M", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TicketingApiInfo(_Part):
    url: str
    token: str


class KafkaInfo(_Part):
    bootstrap_servers: str


class PostgresInfo(_Part):
    dsn: str


class SlackInfo(_Part):
    events_url: str
    api_url: str
    signing_secret: str
    team_id: str
    bot_token: str
    bot_user_id: str
    app_token: str
    transport: str
    verification_token: str = ""


class TelegramInfo(_Part):
    webhook_url: str
    api_url: str
    bot_token: str
    secret_token: str
    transport: str


class SandboxInfo(_Part):
    """`url` is the page; `control_url` the JSON interface by which a person in the simulated chats acts."""

    url: str
    control_url: str
    traces_url: str


class ProcessInfo(_Part):
    """A process: start it again with exactly `command`, `env` and `cwd`. It writes its pid to `pid_file`; `pid` is the
    one the stack started, `started_at` its start time (seconds since the epoch).
    """

    pid: int
    command: list[str]
    env: dict[str, str]
    cwd: str
    started_at: float
    pid_file: str
    log: str
    ready_url: str | None = None


class StackInfo(_Part):
    """The whole file."""

    version: int = 1
    started_at: float
    state: str
    ticketing_api: TicketingApiInfo
    kafka: KafkaInfo
    postgres: PostgresInfo
    slack: SlackInfo
    telegram: TelegramInfo
    sandbox: SandboxInfo
    zipkin_url: str | None = None
    metrics: dict[str, str]
    processes: dict[str, ProcessInfo]


class Registry(BaseModel):
    """What was started so far, in order: written before stack.json and after each start, so that even a start that was
    cut short can be cleaned up.
    """

    started_at: float
    processes: dict[str, ProcessInfo] = {}


def read_stack(file: Path) -> StackInfo | None:
    """The stack that runs, as its file says; None without a file."""
    return _read(StackInfo, file)


def read_registry(file: Path) -> Registry | None:
    return _read(Registry, file)


def write(model: BaseModel, file: Path) -> None:
    """Write whole or not at all, readable by its owner only: the file holds tokens."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(model.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draft.replace(file)


def _read(kind: type[M], file: Path) -> M | None:
    try:
        return kind.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise StackError(f"{file} can't be read ({error.error_count()} errors); was it changed by hand?") from error
