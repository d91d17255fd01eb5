"""Puts the sandbox process together from its settings; the only place that knows all of its parts."""

from __future__ import annotations

import asyncio
from typing import Literal

from aiohttp import web
from pydantic import Field, SecretStr

from chassis.lifecycle import ProcessContext
from chassis.settings import HttpSettings, ProcessSettings
from sandbox import slack, telegram
from sandbox.clock import ScaledClock
from sandbox.desk import Desk
from sandbox.server import Parts, build
from sandbox.slack.settings import Settings as SlackSettings
from sandbox.telegram.feed import Webhook
from sandbox.traces.store import TraceStore
from sandbox.traces.zipkin import ZipkinForwarder

_SHUTDOWN_SECONDS = 3.0


class SandboxSettings(ProcessSettings, HttpSettings):
    """Where the simulated platforms deliver, and what the page talks to."""

    slack_transport: Literal["http", "socket"] = Field(
        "http", description="How the simulated Slack delivers events.", examples=["socket"]
    )
    slack_events_url: str | None = Field(
        None,
        description="Where the simulated Slack posts events (transport http).",
        examples=["http://127.0.0.1:8702/slack/events"],
    )
    telegram_webhook_url: str | None = Field(
        None,
        description="The webhook that the simulated Telegram remembers from before its start; setWebhook changes it.",
        examples=["http://127.0.0.1:8703/telegram/7700"],
    )
    telegram_secret_token: SecretStr | None = Field(
        None, description="The secret of that webhook.", examples=["a-long-random-word"]
    )
    ticketing_api_url: str | None = Field(
        None, description="Ticketing API behind /tickets of the page.", examples=["http://127.0.0.1:8701"]
    )
    ticketing_api_token: SecretStr | None = Field(
        None, description="Token for the page's requests.", examples=["okno_..."]
    )
    zipkin_url: str | None = Field(
        None, description="Zipkin that gets a copy of all spans.", examples=["http://127.0.0.1:9411"]
    )
    sandbox_speed: float = Field(
        1.0, gt=0, description="Simulated seconds per real second for retries and limits.", examples=["60"]
    )


async def run_sandbox(process: ProcessContext[SandboxSettings]) -> None:
    """Start the simulations and serve them."""
    settings = process.settings
    parts = _parts(settings)
    parts.slack.serve_from(f"http://{settings.http_host}:{settings.http_port}/slack")
    if settings.telegram_webhook_url is not None:
        secret = settings.telegram_secret_token
        webhook = Webhook(settings.telegram_webhook_url, secret.get_secret_value() if secret else None)
        parts.telegram.set_webhook(parts.telegram.bot(), webhook)
    if parts.zipkin is not None:
        process.spawn("zipkin", parts.zipkin.run())
    runner = web.AppRunner(build(parts), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    process.defer(runner.cleanup)
    await web.TCPSite(runner, settings.http_host, settings.http_port).start()
    process.spawn("server", asyncio.Event().wait())


def _parts(settings: SandboxSettings) -> Parts:
    token = settings.ticketing_api_token
    slack_settings = SlackSettings(transport=settings.slack_transport, events_url=settings.slack_events_url)
    return Parts(
        slack=slack.Simulation(clock=ScaledClock(settings.sandbox_speed), settings=slack_settings),
        telegram=telegram.Simulation(clock=ScaledClock(settings.sandbox_speed)),
        traces=TraceStore(),
        desk=Desk(settings.ticketing_api_url, token.get_secret_value() if token else None),
        zipkin=ZipkinForwarder(settings.zipkin_url) if settings.zipkin_url else None,
    )
