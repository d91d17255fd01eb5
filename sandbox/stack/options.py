"""What a person can choose about a stack, read from the environment by `make up` and given directly by tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from sandbox.stack.errors import StackError
from sandbox.stack.paths import STATE

SlackTransport = Literal["http", "socket"]
TelegramTransport = Literal["webhook", "polling"]
_MOST_REPLICAS = 12  # the number of partitions: a member without one would never get one


@dataclass(frozen=True, slots=True)
class StackOptions:
    """`extra_env` adds settings to single processes: keys are a process's name (`router-0`) or kind (`router`)."""

    routers: int = 1
    ticketing_workers: int = 1
    notifiers: int = 1
    slack_transport: SlackTransport = "http"
    telegram_transport: TelegramTransport = "webhook"
    traces_page: bool = False
    fresh: bool = False
    stable_ports: bool = True
    state: Path = STATE
    extra_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def from_environment(environ: Mapping[str, str] | None = None) -> StackOptions:
    """ROUTERS, TICKETING_WORKERS, NOTIFIERS, SLACK_TRANSPORT, TELEGRAM_TRANSPORT, TRACES, FRESH; all optional."""
    given = os.environ if environ is None else environ
    return StackOptions(
        routers=_replicas(given, "ROUTERS"),
        ticketing_workers=_replicas(given, "TICKETING_WORKERS"),
        notifiers=_replicas(given, "NOTIFIERS"),
        slack_transport=cast("SlackTransport", _one_of(given, "SLACK_TRANSPORT", get_args(SlackTransport))),
        telegram_transport=cast("TelegramTransport", _one_of(given, "TELEGRAM_TRANSPORT", get_args(TelegramTransport))),
        traces_page=given.get("TRACES") == "1",
        fresh=given.get("FRESH") == "1",
    )


def _replicas(given: Mapping[str, str], name: str) -> int:
    text = given.get(name) or "1"
    if not text.isdigit() or not 1 <= int(text) <= _MOST_REPLICAS:
        raise StackError(f"{name}={text} is not a number from 1 to {_MOST_REPLICAS}, for example {name}=2")
    return int(text)


def _one_of(given: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = given.get(name) or allowed[0]
    if value not in allowed:
        raise StackError(f"{name}={value} is not one of {', '.join(allowed)}")
    return value
