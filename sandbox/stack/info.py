"""stack.json: what runs, where, and how to start each part again. An interface for test drivers outside this
repository (docs/stack-json.md): fields are added, never renamed or removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandbox.stack.plan import Plan


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


def described(plan: Plan, *, started_at: float, state: Path, processes: Mapping[str, ProcessInfo]) -> StackInfo:
    """What the file says of a plan whose processes run."""
    slack, telegram, options = plan.slack, plan.telegram, plan.options
    return StackInfo(
        started_at=started_at,
        state=str(state),
        ticketing_api=TicketingApiInfo(url=plan.ticketing_url, token=plan.admin_token),
        kafka=KafkaInfo(bootstrap_servers=plan.addresses.kafka_bootstrap_servers),
        postgres=PostgresInfo(dsn=plan.addresses.database_url),
        slack=SlackInfo(
            events_url=plan.events_url,
            api_url=slack.api_url,
            signing_secret=slack.signing_secret,
            team_id=slack.team_id,
            bot_token=slack.bot_token,
            bot_user_id=slack.bot_user_id,
            app_token=slack.app_token,
            transport=options.slack_transport,
            verification_token=slack.verification_token,
        ),
        telegram=TelegramInfo(
            webhook_url=plan.webhook_url,
            api_url=telegram.api_url,
            bot_token=telegram.bot_token,
            secret_token=telegram.secret_token,
            transport=options.telegram_transport,
        ),
        sandbox=SandboxInfo(
            url=plan.sandbox_url, control_url=f"{plan.sandbox_url}/control", traces_url=f"{plan.sandbox_url}/traces"
        ),
        zipkin_url=plan.addresses.zipkin_url,
        metrics={name: f"{process.probe_url}/metrics" for name, process in plan.processes.items()},
        processes=dict(processes),
    )
