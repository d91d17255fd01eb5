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
class Ways:
    """Ports of this machine by which a process reaches what it calls: a tester's proxies. Kafka listens for it at
    `kafka_listener` and tells it to come by `kafka`, so that no connection goes round the proxy.
    """

    postgres: int
    kafka: int
    kafka_listener: int
    platforms: int


@dataclass(frozen=True, slots=True)
class StackOptions:
    """`extra_env` adds settings to single processes: keys are a process's name (`router-0`) or kind (`router`).

    A tester may stand between the parts: `http_ports` fixes the ports of servers (by process), `doors` says where
    others find a kind of server instead (a balancer's port, by kind), `ways` by which ports a process calls out. With
    several `ingests` of each platform the platforms need a door.
    """

    ingests: int = 1
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
    http_ports: Mapping[str, int] = field(default_factory=dict)
    doors: Mapping[str, int] = field(default_factory=dict)
    ways: Mapping[str, Ways] = field(default_factory=dict)


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
