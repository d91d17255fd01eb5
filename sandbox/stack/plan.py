"""Which processes a stack has and with which settings: a pure function of options, addresses and ports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from sandbox.stack.environment import base_environment
from sandbox.stack.options import StackOptions, Ways
from sandbox.stack.platforms import SlackPlatform, TelegramPlatform
from sandbox.stack.ports import free_port, free_ports

HOST = "127.0.0.1"
SANDBOX = "sandbox"
_STABLE_HTTP = {"sandbox": 8700, "ticketing-api": 8701, "ingest-slack": 8702, "ingest-telegram": 8703}
_PASSED_ON = (
    "KAFKA_S", "OTEL_", "TRACE_", "LOG_", "DRAIN_", "FAULT_", "ROUTER_", "TICKETING_", "NOTIFIER_", "INGEST_",
    "SANDBOX_", "SLACK_TIMEOUT_", "TELEGRAM_TIMEOUT_", "SETTLING_",
)  # fmt: skip
_NOT_PASSED_ON = {"TICKETING_WORKERS"}


@dataclass(frozen=True, slots=True)
class Process:
    """One process to start: `kind` is what `okno run` calls it, `name` is its stable name."""

    kind: str
    name: str
    probe_port: int
    http_port: int | None = None

    @property
    def http_url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    @property
    def probe_url(self) -> str:
        return f"http://{HOST}:{self.probe_port}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """What was started before the processes of Okno, or runs elsewhere."""

    database_url: str
    kafka_bootstrap_servers: str
    zipkin_url: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All processes, and what they have in common."""

    options: StackOptions
    addresses: Addresses
    slack: SlackPlatform
    telegram: TelegramPlatform
    processes: Mapping[str, Process]
    admin_token: str = field(repr=False)

    @property
    def events_url(self) -> str:
        return f"{self._door('ingest-slack')}/slack/events"

    @property
    def webhook_url(self) -> str:
        return f"{self._door('ingest-telegram')}/telegram/{self.telegram.bot_id}"

    @property
    def sandbox_url(self) -> str:
        return self.processes[SANDBOX].http_url

    @property
    def ticketing_url(self) -> str:
        return self._door("ticketing-api")

    def _door(self, kind: str) -> str:
        if kind in self.options.doors:
            return f"http://{HOST}:{self.options.doors[kind]}"
        return next(process.http_url for process in self.processes.values() if process.kind == kind)


def processes(options: StackOptions) -> dict[str, Process]:
    """The processes by name, with free ports. Pages a person opens keep their ports from one start to the next."""
    ingests = () if options.ingests > 1 else ("ingest-slack", "ingest-telegram")
    kinds = [(kind, kind) for kind in (SANDBOX, *ingests, "ingest-worker", "ticketing-api")]
    for kind, count in (
        ("ingest-slack", 0 if ingests else options.ingests),
        ("ingest-telegram", 0 if ingests else options.ingests),
        ("router", options.routers),
        ("ticketing-worker", options.ticketing_workers),
        ("notifier", options.notifiers),
    ):
        kinds += [(kind, f"{kind}-{number}") for number in range(count)]
    probes = iter(free_ports(len(kinds)))
    planned: dict[str, Process] = {}
    for kind, name in kinds:
        http = None
        if kind in _STABLE_HTTP:
            stable = _STABLE_HTTP[kind] if options.stable_ports and name == kind else None
            http = options.http_ports.get(name) or free_port(stable)
        planned[name] = Process(kind, name, next(probes), http)
    return planned


def common_environment(addresses: Addresses, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every process and command of Okno gets: the machine's, the person's settings, and the two addresses."""
    given = os.environ if environ is None else environ
    passed = {
        name: value for name, value in given.items() if name.startswith(_PASSED_ON) and name not in _NOT_PASSED_ON
    }
    return {
        **base_environment(),
        **passed,
        "DATABASE_URL": addresses.database_url,
        "KAFKA_BOOTSTRAP_SERVERS": addresses.kafka_bootstrap_servers,
    }


def environment(plan: Plan, process: Process, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of one process; `extra_env` has the last word."""
    common = common_environment(plan.addresses, environ)
    state = plan.options.state
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{plan.sandbox_url}/otlp",
        "TRACE_SAMPLE_RATIO": "1",
        **common,
        "PROCESS_NAME": process.name,
        "PID_FILE": str(state / "run" / f"{process.name}.pid"),
        "PROBE_HOST": HOST,
        "PROBE_PORT": str(process.probe_port),
        **_by_kind(plan, process.kind),
    }
    if process.http_port is not None:
        env |= {"HTTP_HOST": HOST, "HTTP_PORT": str(process.http_port)}
    if env.get("FAULT_POINTS"):
        env.setdefault("FAULT_DIRECTORY", str(state / "faults"))
    if (ways := plan.options.ways.get(process.name)) is not None:
        env |= _by(ways, env)
    extra = plan.options.extra_env
    return {**env, **extra.get(process.kind, {}), **extra.get(process.name, {})}


def _by(ways: Ways, env: Mapping[str, str]) -> dict[str, str]:
    platforms = {name: _at(env[name], ways.platforms) for name in ("SLACK_API_URL", "TELEGRAM_API_URL") if name in env}
    kafka, database = f"{HOST}:{ways.kafka}", _at(env["DATABASE_URL"], ways.postgres)
    return {"KAFKA_BOOTSTRAP_SERVERS": kafka, "DATABASE_URL": database, **platforms}


def _at(url: str, port: int) -> str:
    """The same URL at another port of this machine."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}{HOST}:{port}"))


def _by_kind(plan: Plan, kind: str) -> dict[str, str]:
    slack, telegram = plan.slack, plan.telegram
    slack_calls = {"SLACK_API_URL": slack.api_url, "SLACK_BOT_TOKEN": slack.bot_token}
    telegram_calls = {"TELEGRAM_API_URL": telegram.api_url, "TELEGRAM_BOT_TOKEN": telegram.bot_token}
    match kind:
        case "ingest-slack":
            return {
                "SLACK_API_URL": slack.api_url,
                "SLACK_TRANSPORT": plan.options.slack_transport,
                "SLACK_SIGNING_SECRET": slack.signing_secret,
                "SLACK_APP_TOKEN": slack.app_token,
            }
        case "ingest-telegram":
            return {
                **telegram_calls,
                "TELEGRAM_TRANSPORT": plan.options.telegram_transport,
                "TELEGRAM_SECRET_TOKEN": telegram.secret_token,
                "TELEGRAM_WEBHOOK_URL": plan.webhook_url,
            }
        case "ingest-worker" | "notifier":
            return {**slack_calls, **telegram_calls}
        case "sandbox":
            return {
                "SLACK_TRANSPORT": plan.options.slack_transport,
                "SLACK_EVENTS_URL": plan.events_url,
                **_remembered_webhook(plan),
                "TICKETING_API_URL": plan.ticketing_url,
                "TICKETING_API_TOKEN": plan.admin_token,
                **({"ZIPKIN_URL": plan.addresses.zipkin_url} if plan.addresses.zipkin_url else {}),
            }
        case _:
            return {}


def _remembered_webhook(plan: Plan) -> dict[str, str]:
    """Telegram remembers a bot's webhook; the simulated one is told when it starts, so that it does after a restart."""
    if plan.options.telegram_transport != "webhook":
        return {}
    return {"TELEGRAM_WEBHOOK_URL": plan.webhook_url, "TELEGRAM_SECRET_TOKEN": plan.telegram.secret_token}
